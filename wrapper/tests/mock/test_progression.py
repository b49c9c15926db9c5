"""How tasks progress to their end, and how long their URLs work."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plain_http import PLAIN
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer
from wanflow.mock.clock import RealClock, VirtualClock
from wanflow.mock.gateway.lifecycle import (
    ENDED,
    AfterPolls,
    AfterSeconds,
    Immediate,
    Progression,
    format_progression,
    parse_progression,
)

CATALOG = packaged_catalog()
MODEL = next(model for model in CATALOG.models.values() if model.kind == "image")
DAY = 24 * 3600

finite = st.just(0.0) | st.floats(1e-3, 1e6)
progressions: st.SearchStrategy[Progression] = st.one_of(
    st.just(Immediate()),
    st.integers(1, 50).map(AfterPolls),
    st.builds(
        AfterSeconds,
        finite | st.just(float("inf")),
        st.none() | finite,
        st.sampled_from(["true", "wrong", "absent"]),
        st.sampled_from(["smooth", "stepwise", "stuck"]),
    ),
)
RANK = {"pending": 0, "processing": 1, "ended": 2}


@given(progression=progressions, steps=st.lists(st.tuples(st.integers(0, 3), finite), max_size=8))
def test_a_task_only_moves_forward(progression, steps) -> None:
    """Neither status nor progress goes back, and 100 is only at the end."""
    polls, elapsed, before = 0, 0.0, progression.phase(0, 0.0)
    for more, seconds in steps:
        polls, elapsed = polls + more, elapsed + seconds
        now = progression.phase(polls, elapsed)
        assert RANK[now.name] >= RANK[before.name]
        assert now.progress >= before.progress
        assert (now.progress == 100) == (now.name == ENDED)
        assert now.name == ENDED or now.progress <= progression.last_progress()
        before = now


@given(progression=progressions)
def test_a_formatted_progression_is_parsed_back(progression) -> None:
    """Parsing a formatted progression returns an equal one."""
    assert parse_progression(format_progression(progression)) == progression


@given(progression=progressions)
def test_ends_after_is_the_time_of_the_end(progression) -> None:
    """A task has ended at that time, and not before."""
    due = progression.ends_after()
    if due is not None:
        assert progression.phase(0, due).name == ENDED
        assert due == 0 or progression.phase(0, due * 0.99).name != ENDED


@pytest.mark.parametrize(
    ("text", "progression"),
    [
        ("immediately", Immediate()),
        ("never", AfterSeconds(float("inf"))),
        ("polls=0", Immediate()),
        ("polls=7", AfterPolls(7)),
        ("seconds=60", AfterSeconds(60)),
        ("seconds=60,queue=10", AfterSeconds(60, 10)),
        ("seconds=1.5, estimate=wrong, progress=stuck", AfterSeconds(1.5, None, "wrong", "stuck")),
    ],
)
def test_a_progression_is_parsed(text, progression) -> None:
    """Every kind of progression has a text form."""
    assert parse_progression(text) == progression


@pytest.mark.parametrize(
    "text",
    [
        "",
        "polls",
        "polls=-1",
        "polls=x",
        "never=1",
        "seconds=-1",
        "seconds=nan",
        "seconds=1,what=2",
        "seconds=1,estimate=maybe",
        "seconds=1,queue=-1",
        "polls=1,seconds=1",
        "immediately,never",
    ],
)
def test_an_invalid_progression_is_rejected(text) -> None:
    """The error lists the valid forms."""
    with pytest.raises(ValueError, match=r"not a progression; write immediately, never, polls=N"):
        parse_progression(text)


@pytest.fixture
def virtual():
    with MockServer(clock=VirtualClock(), progression="seconds=100") as server:
        headers = {"Authorization": "Bearer k"}
        with httpx.Client(base_url=server.base_url, headers=headers, **PLAIN) as http:
            yield server, http


def submit(http, prompt="a cat", **headers):
    body = {**MODEL.example, "prompt": prompt}
    response = http.post(MODEL.path, json=body, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


def status(http, task) -> str:
    found: str = http.get(f"/v1/tasks/{task['id']}").json()["status"]
    return found


def test_a_task_may_have_its_own_progression(virtual) -> None:
    """A header or a prompt directive sets the progression of one task."""
    _, http = virtual
    usual = submit(http)
    quick = submit(http, **{"X-Mock-Progression": "polls=1"})
    by_directive = submit(http, "a cat [mock:progression=immediately]")
    assert status(http, usual) == "pending"
    assert status(http, quick) == "completed"
    assert by_directive["status"] == "completed"
    assert http.post(
        MODEL.path, json=MODEL.example, headers={"X-Mock-Progression": "soon"}
    ).is_client_error


@pytest.mark.parametrize(("said", "expected"), [("true", 60), ("wrong", 20), ("absent", None)])
def test_an_estimate_may_be_wrong(virtual, said, expected) -> None:
    """The estimate is right, a third of the time, or absent."""
    _, http = virtual
    receipt = submit(http, **{"X-Mock-Progression": f"seconds=60,estimate={said}"})
    assert receipt["task_info"].get("estimated_time") == expected


@pytest.mark.parametrize(
    ("shape", "expected"),
    [("smooth", [0, 20, 50, 90]), ("stepwise", [0, 0, 50, 75]), ("stuck", [0, 20, 40, 40])],
)
def test_progress_has_a_shape(virtual, shape, expected) -> None:
    """Progress is smooth, in quarters, or stops at 40 until the end."""
    server, http = virtual
    task = submit(http, **{"X-Mock-Progression": f"seconds=110,queue=10,progress={shape}"})
    seen = []
    for seconds in (10, 20, 30, 40):
        server.clock.advance(seconds)
        seen.append(http.get(f"/v1/tasks/{task['id']}").json()["progress"])
    assert seen == expected


def test_the_clock_can_be_advanced_over_http(virtual) -> None:
    """POST /_mock/clock/advance advances a virtual clock."""
    server, http = virtual
    task = submit(http)
    before = http.get(f"{server.url}/_mock/clock").json()
    after = http.post(f"{server.url}/_mock/clock/advance", json={"seconds": 100}).json()
    assert (before["runs"], after["now"] - before["now"]) == (False, 100)
    assert status(http, task) == "completed"


@pytest.mark.parametrize("seconds", ["-1", '"1"', "null", "true", "[]", "1e400", "1e11"])
def test_the_clock_does_not_go_back(virtual, seconds) -> None:
    """An invalid number of seconds is a 400, and changes nothing."""
    server, http = virtual
    before = server.clock.now()
    response = http.post(
        f"{server.url}/_mock/clock/advance",
        content=f'{{"seconds": {seconds}}}',
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code == 400
    assert server.clock.now() == before


def test_a_real_clock_can_be_advanced_too() -> None:
    """A real clock is ahead by the advanced time."""
    clock = RealClock()
    before = clock.now()
    assert clock.advance(1000) - before == pytest.approx(1000, abs=5)


def test_urls_work_for_24_hours(virtual) -> None:
    """A result URL works until a day after the task's end, then it is 410."""
    server, http = virtual
    task = submit(http)
    server.clock.advance(100)
    link = http.get(f"/v1/tasks/{task['id']}").json()["results"][0]
    server.clock.advance(DAY - 1)
    assert httpx.head(link, **PLAIN).status_code == 200
    server.clock.advance(1)
    assert httpx.head(link, **PLAIN).status_code == 410
    assert status(http, task) == "completed"


def test_the_day_counts_from_the_end_not_from_the_first_poll(virtual) -> None:
    """A task ends at its time, polled or not."""
    server, http = virtual
    task = submit(http)
    server.clock.advance(100 + DAY)
    link = http.get(f"/v1/tasks/{task['id']}").json()["results"][0]
    assert httpx.head(link, **PLAIN).status_code == 410


def test_a_task_that_never_ends(virtual) -> None:
    """With the progression `never` a task is processing for ever."""
    server, http = virtual
    task = submit(http, **{"X-Mock-Progression": "never"})
    server.clock.advance(6 * DAY)
    assert status(http, task) == "processing"


def test_a_task_expires_after_a_week(virtual) -> None:
    """A week after its submission a task is not found any more."""
    server, http = virtual
    task = submit(http)
    server.clock.advance(7 * DAY)
    assert status(http, task) == "completed"
    server.clock.advance(1)
    assert http.get(f"/v1/tasks/{task['id']}").status_code == 404
    submit(http)
    assert len(server.gateway.tasks) == 1
