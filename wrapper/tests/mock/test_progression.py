"""How tasks come to their end, and how long their links live."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
def test_a_task_only_goes_forward(progression, steps) -> None:
    """Whatever passes, neither status nor progress goes back, and 100 is for the end."""
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
def test_a_progression_is_written_and_read_again(progression) -> None:
    """What is written of a progression is that progression."""
    assert parse_progression(format_progression(progression)) == progression


@given(progression=progressions)
def test_what_is_due_is_the_end(progression) -> None:
    """At the time that a progression is due it has ended, and not before."""
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
def test_a_progression_is_written(text, progression) -> None:
    """Every progression has a written form."""
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
def test_what_is_no_progression_is_told(text) -> None:
    """A text that is none is refused with the forms that there are."""
    with pytest.raises(ValueError, match=r"not a progression; write immediately, never, polls=N"):
        parse_progression(text)


@pytest.fixture
def virtual():
    with MockServer(clock=VirtualClock(), progression="seconds=100") as server:
        headers = {"Authorization": "Bearer k"}
        with httpx.Client(base_url=server.base_url, headers=headers, trust_env=False) as http:
            yield server, http


def submit(http, prompt="a cat", **headers):
    body = {**MODEL.example, "prompt": prompt}
    answer = http.post(MODEL.path, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def status(http, task) -> str:
    found: str = http.get(f"/v1/tasks/{task['id']}").json()["status"]
    return found


def test_a_task_may_have_a_progression_of_its_own(virtual) -> None:
    """By a header or by a magic word, one task is quicker than the rest."""
    _, http = virtual
    usual = submit(http)
    quick = submit(http, **{"X-Mock-Progression": "polls=1"})
    worded = submit(http, "a cat [mock:progression=immediately]")
    assert status(http, usual) == "pending"
    assert status(http, quick) == "completed"
    assert worded["status"] == "completed"
    assert http.post(
        MODEL.path, json=MODEL.example, headers={"X-Mock-Progression": "soon"}
    ).is_client_error


@pytest.mark.parametrize(("said", "expected"), [("true", 60), ("wrong", 20), ("absent", None)])
def test_an_estimate_may_lie(virtual, said, expected) -> None:
    """The announced time is the true one, a third of it, or none at all."""
    _, http = virtual
    receipt = submit(http, **{"X-Mock-Progression": f"seconds=60,estimate={said}"})
    assert receipt["task_info"].get("estimated_time") == expected


@pytest.mark.parametrize(
    ("shape", "expected"),
    [("smooth", [0, 20, 50, 90]), ("stepwise", [0, 0, 50, 75]), ("stuck", [0, 20, 40, 40])],
)
def test_progress_has_a_shape(virtual, shape, expected) -> None:
    """Progress runs smoothly, by quarters, or sticks at 40 to the end."""
    server, http = virtual
    task = submit(http, **{"X-Mock-Progression": f"seconds=110,queue=10,progress={shape}"})
    seen = []
    for seconds in (10, 20, 30, 40):
        server.clock.advance(seconds)
        seen.append(http.get(f"/v1/tasks/{task['id']}").json()["progress"])
    assert seen == expected


def test_the_clock_is_moved_over_http(virtual) -> None:
    """POST /_mock/clock/advance lets time pass; nothing else does on a virtual clock."""
    server, http = virtual
    task = submit(http)
    before = http.get(f"{server.url}/_mock/clock").json()
    after = http.post(f"{server.url}/_mock/clock/advance", json={"seconds": 100}).json()
    assert (before["runs"], after["now"] - before["now"]) == (False, 100)
    assert status(http, task) == "completed"


@pytest.mark.parametrize("seconds", ["-1", '"1"', "null", "true", "[]", "1e400", "1e11"])
def test_the_clock_does_not_go_back(virtual, seconds) -> None:
    """What is no forward step is a 400, and moves nothing."""
    server, http = virtual
    before = server.clock.now()
    answer = http.post(
        f"{server.url}/_mock/clock/advance",
        content=f'{{"seconds": {seconds}}}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 400
    assert server.clock.now() == before


def test_a_real_clock_can_be_moved_too() -> None:
    """A clock that runs is ahead by what it was moved."""
    clock = RealClock()
    before = clock.now()
    assert clock.advance(1000) - before == pytest.approx(1000, abs=5)


def test_links_live_for_24_hours(virtual) -> None:
    """A link works until a day after the task's end, and is gone (410) from then on."""
    server, http = virtual
    task = submit(http)
    server.clock.advance(100)
    link = http.get(f"/v1/tasks/{task['id']}").json()["results"][0]
    server.clock.advance(DAY - 1)
    assert httpx.head(link, trust_env=False).status_code == 200
    server.clock.advance(1)
    assert httpx.head(link, trust_env=False).status_code == 410
    assert status(http, task) == "completed"


def test_a_day_is_counted_from_the_end_not_from_the_first_look(virtual) -> None:
    """A task that nobody looked at has ended when it was due."""
    server, http = virtual
    task = submit(http)
    server.clock.advance(100 + DAY)
    link = http.get(f"/v1/tasks/{task['id']}").json()["results"][0]
    assert httpx.head(link, trust_env=False).status_code == 410


def test_a_task_that_never_ends(virtual) -> None:
    """The progression `never` is processing for ever."""
    server, http = virtual
    task = submit(http, **{"X-Mock-Progression": "never"})
    server.clock.advance(6 * DAY)
    assert status(http, task) == "processing"


def test_a_task_is_forgotten_after_a_week(virtual) -> None:
    """A week after its submission a task is not found any more."""
    server, http = virtual
    task = submit(http)
    server.clock.advance(7 * DAY)
    assert status(http, task) == "completed"
    server.clock.advance(1)
    assert http.get(f"/v1/tasks/{task['id']}").status_code == 404
    submit(http)
    assert len(server.gateway.tasks) == 1
