"""Laws of a wait, whatever the server answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.fake_driver import (
    BIRTH,
    LINK,
    LOST,
    TASK_ID,
    UNREACHED,
    Stage,
    in_turn,
    reply,
    task,
)
from wanflow import errors
from wanflow._core.effects import Request, Response, SendRequest, Sleep, TransportError
from wanflow._core.error_mapping import retry_after
from wanflow._core.failure_codes import HINTS
from wanflow._core.rate_limiter import LONGEST_PAUSE, PollRateLimiter
from wanflow._core.snapshot import Snapshot
from wanflow._flows.poll import PollTarget, fetch_status, poll_until_done

REQUEST = Request("GET", f"/v1/tasks/{TASK_ID}")
FREE = 1e9
"""A rate of looks a second that keeps nobody waiting."""

running = st.builds(
    lambda status, progress, estimate: task(
        status, progress=progress, task_info={"estimated_time": estimate}
    ),
    st.sampled_from(["pending", "processing", "queued", "", "PROCESSING"]),
    st.one_of(st.none(), st.integers(-5, 120)),
    st.one_of(st.none(), st.floats(0, 10_000)),
)
passing = st.one_of(
    st.builds(
        reply,
        st.sampled_from([408, 409, 429, 500, 502, 503, 504, 520, 302]),
        st.just({"error": {"code": 1, "message": "no", "type": "x"}}),
        retry_after=st.one_of(st.integers(0, 10**6).map(str), st.text(max_size=20)),
    ),
    st.builds(reply, st.just(200), st.binary(max_size=30)),
    st.just(LOST),
    st.just(UNREACHED),
)
endings = st.sampled_from(["completed", "failed", "cancelled", "canceled", "COMPLETED", "Failed"])
refusals = st.sampled_from([400, 401, 402, 403, 404])


def question() -> PollTarget:
    """A question of a client that nothing else is asked of."""
    return PollTarget(TASK_ID, REQUEST, PollRateLimiter(FREE))


def play(stage: Stage, timeout: float) -> Snapshot | Exception:
    """Wait, and return what came of it, whichever way it came."""
    try:
        return stage.play(poll_until_done(question(), timeout=timeout, on_update=None))
    except Exception as error:
        return error


@given(
    answers=st.lists(st.one_of(running, passing), min_size=1),
    timeout=st.floats(0, 900),
    chance=st.floats(0, 1, exclude_max=True),
    latency=st.floats(0.001, 40),
)
def test_a_wait_never_sleeps_past_its_deadline(
    answers: list[Response | TransportError], timeout: float, chance: float, latency: float
) -> None:
    """Whatever comes and whatever it asks for, the sleeps and looks end at the deadline."""
    stage = Stage(in_turn(answers), chance=chance, latency=latency)
    outcome = play(stage, timeout)
    assert isinstance(outcome, errors.WaitTimeout)
    assert stage.ticks <= timeout + latency + 1e-6
    assert isinstance(outcome, TimeoutError)
    assert outcome.task_id == TASK_ID


@given(before=st.lists(st.one_of(running, passing), max_size=30), end=endings)
def test_every_end_word_ends(before: list[Response | TransportError], end: str) -> None:
    """The first answer with an end word is the last request, and gives one result or one error."""
    stage = Stage(in_turn([*before, task(end, results=["https://files.example/a.mp4"])]))
    outcome = play(stage, 1e9)
    assert len(stage.sent) == len(before) + 1
    if end.lower() == "completed":
        assert isinstance(outcome, Snapshot)
        assert outcome.urls == ("https://files.example/a.mp4",)
    else:
        assert isinstance(outcome, errors.TaskFailed)
        assert outcome.task_id == TASK_ID
        assert outcome.snapshot is not None


@given(before=st.lists(st.one_of(running, passing), max_size=30), status=refusals)
def test_a_refused_question_ends_the_wait(
    before: list[Response | TransportError], status: int
) -> None:
    """What is wrong with the key, the account or the id doesn't mend by asking again."""
    stage = Stage(in_turn([*before, reply(status, {"error": {"message": "no"}})]))
    outcome = play(stage, 1e9)
    assert isinstance(outcome, errors.APIError)
    assert outcome.status == status
    assert outcome.task_id == TASK_ID
    assert len(stage.sent) == len(before) + 1


@given(answers=st.lists(passing, min_size=1, max_size=400))
def test_faults_are_borne_by_time_and_not_by_count(
    answers: list[Response | TransportError],
) -> None:
    """A result that comes after any number of faults is still the result."""
    stage = Stage(in_turn([*answers, task("completed")]))
    assert isinstance(play(stage, 1e12), Snapshot)


@given(seconds=st.integers(0, 10_000), timeout=st.floats(0, 5000))
def test_a_pause_that_the_server_asks_for_is_kept(seconds: int, timeout: float) -> None:
    """No poll follows a 429 sooner than it says, or than the longest pause, but at the deadline."""
    stage = Stage(in_turn([reply(429, {}, retry_after=str(seconds)), task("completed")]))
    play(stage, timeout)
    first = stage.slept[0] if stage.slept else 0.0
    kept = min(seconds, LONGEST_PAUSE)
    assert first == pytest.approx(min(max(first, kept), timeout - 0.01), abs=0.02) or (
        not stage.slept
    )


def test_the_deadline_has_a_last_look() -> None:
    """A task that ends in the last interval is found at the deadline."""
    stage = Stage(lambda _, ticks: task("completed" if ticks > 29.9 else "processing"))
    assert isinstance(play(stage, 30), Snapshot)
    assert stage.ticks == pytest.approx(30, abs=0.1)


def test_no_time_at_all_is_one_look() -> None:
    """`timeout=0` asks once."""
    stage = Stage(in_turn([task("processing")]))
    assert isinstance(play(stage, 0), errors.WaitTimeout)
    assert len(stage.sent) == 1


def test_an_unknown_status_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """ "Not finished yet, and say so": once a word, and not once a look."""
    turns = [task("queued"), task("dreaming"), task("processing")]
    answers = [task("queued")] * 5 + turns * 3 + [task("completed")]
    play(Stage(in_turn(answers)), 1e6)
    said = [record.getMessage() for record in caplog.records if "unknown" in record.getMessage()]
    assert len(said) == 2
    assert "'queued'" in said[0]
    assert "'dreaming'" in said[1]


@given(first=st.one_of(running, passing), last=passing)
def test_a_timeout_says_what_became_of_the_last_look(
    first: Response | TransportError, last: Response | TransportError
) -> None:
    """Where it learnt nothing, why: a wrong address is the likeliest cause of a wait in vain."""
    outcome = play(Stage(in_turn([first, last])), 60)
    assert isinstance(outcome, errors.WaitTimeout)
    assert outcome.last_error
    assert outcome.last_error in str(outcome)
    well = play(Stage(in_turn([last, task("pending")])), 60)
    assert isinstance(well, errors.WaitTimeout)
    assert well.last_error is None


@given(answers=st.lists(running, max_size=20))
def test_every_snapshot_is_told(answers: list[Response]) -> None:
    """`on_update` sees each look that learnt something, in order, the last included."""
    told: list[Snapshot] = []
    stage = Stage(in_turn([*answers, task("completed")]))
    stage.play(poll_until_done(question(), timeout=1e9, on_update=told.append))
    assert len(told) == len(answers) + 1
    assert told[-1].succeeded
    assert not any(snapshot.done for snapshot in told[:-1])


@pytest.mark.parametrize("code", sorted(HINTS))
def test_every_business_code_says_whether_a_new_try_can_help(code: str) -> None:
    """The provider's table is what TaskFailed knows."""
    body = {"code": code, "message": "why", "type": "task_error"}
    outcome = play(Stage(in_turn([task("failed", error=body)])), 10)
    assert isinstance(outcome, errors.TaskFailed)
    assert outcome.code == code
    assert outcome.retryable is HINTS[code].retryable
    assert outcome.hint in str(outcome)


def test_a_code_of_tomorrow_is_kept() -> None:
    """A code that the table doesn't have is passed on, with the advice for the unknown."""
    outcome = play(Stage(in_turn([task("failed", error={"code": 7731, "message": "m"})])), 10)
    assert isinstance(outcome, errors.TaskFailed)
    assert outcome.code == "7731"
    assert outcome.hint == HINTS["unknown_error"].text


@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "id",
                        "status",
                        "progress",
                        "created",
                        "results",
                        "result_data",
                        "url",
                        "error",
                        "code",
                        "message",
                        "task_info",
                        "estimated_time",
                        "usage",
                        "model",
                        "type",
                    ]
                ),
                inner,
                max_size=8,
            )
        ),
        max_leaves=12,
    ),
    status=st.integers(200, 599),
)
def test_one_look_gives_a_snapshot_or_one_of_our_errors(body: object, status: int) -> None:
    """Any JSON under any status is read, or refused in our own words."""
    stage = Stage(in_turn([reply(status, body)]))
    try:
        assert isinstance(stage.play(fetch_status(REQUEST, TASK_ID)), Snapshot)
    except errors.WanflowError as error:
        assert error.task_id == TASK_ID  # noqa: PT017 - either is right, and this is the rest of it


class Stop(BaseException):
    """Stands for Ctrl-C and for a cancelled task of an event loop."""


def test_an_interrupt_carries_the_id() -> None:
    """KeyboardInterrupt and CancelledError leave a wait with the id of the paid task."""
    flow = poll_until_done(question(), timeout=60, on_update=None)
    next(flow)
    with pytest.raises(Stop) as caught:
        flow.throw(Stop())
    assert caught.value.task_id == TASK_ID
    assert any(TASK_ID in note for note in caught.value.__notes__)


@given(
    age=st.floats(0.001, 100),
    estimate=st.none() | st.floats(1, 600),
    chance=st.floats(0, 1, exclude_max=True),
    timeout=st.floats(0, 900),
)
def test_the_answer_to_a_submission_is_a_look(
    age: float, estimate: float | None, chance: float, timeout: float
) -> None:
    """A wait that follows its submission begins with the pause that any look is followed by."""
    asked = PollTarget(TASK_ID, REQUEST, PollRateLimiter(FREE), BIRTH - age, estimate)
    stage = Stage(in_turn([task("completed")]), chance=chance)
    stage.play(poll_until_done(asked, timeout=timeout, on_update=None))
    slept = stage.slept[0] if stage.slept else 0.0
    assert slept <= timeout
    assert age + slept >= min(4, age + timeout) or estimate is not None
    assert slept == 0 or age + slept <= 30
    assert len(stage.sent) == 1


@pytest.mark.parametrize("submitted", [None, BIRTH - 1e6, BIRTH + 10, BIRTH - 40])
def test_a_task_of_unknown_age_is_looked_at_at_once(submitted: float | None) -> None:
    """So is an old one, and one that a clock that is wrong makes older or younger than it is."""
    asked = PollTarget(TASK_ID, REQUEST, PollRateLimiter(FREE), submitted)
    stage = Stage(in_turn([task("completed")]))
    stage.play(poll_until_done(asked, timeout=60, on_update=None))
    assert stage.slept == []


@pytest.mark.parametrize("timeout", [0.5, 3.0, 40.0])
def test_no_poll_outlasts_its_wait(timeout: float) -> None:
    """Each is given what is left of the wait; the last one, when nothing is left, a second."""
    stage = Stage(lambda _request, _ticks: task("processing"))
    with pytest.raises(errors.WaitTimeout):
        stage.play(poll_until_done(question(), timeout=timeout, on_update=None))
    ticks, given = 0.0, []
    for effect in stage.trace:
        if isinstance(effect, Sleep):
            ticks += effect.seconds
        if isinstance(effect, SendRequest):
            given.append((ticks, effect.timeout))
            ticks += 0.01
    assert given
    assert all(seconds == pytest.approx(max(timeout - at, 1.0)) for at, seconds in given)


OTHER = task("completed", id=f"{TASK_ID}-other", results=["https://files.example/of-another.mp4"])


@given(before=st.lists(st.one_of(running, passing, st.just(OTHER)), max_size=10))
def test_a_response_about_another_task_is_an_error_of_the_poll(
    before: list[Response | TransportError],
) -> None:
    """It is tolerated, it is shown to nobody, its links are not taken, and it ends no wait."""
    told: list[Snapshot] = []
    stage = Stage(in_turn([*before, OTHER, task("completed")]))
    found = stage.play(poll_until_done(question(), timeout=1e9, on_update=told.append))
    assert found.urls == (LINK,)
    assert {snapshot.id for snapshot in told} == {TASK_ID}
    outcome = play(Stage(in_turn([OTHER])), 20)
    assert isinstance(outcome, errors.WaitTimeout)
    assert outcome.snapshot is None
    assert f"'{TASK_ID}-other'" in (outcome.last_error or "")


@pytest.mark.parametrize(
    "body",
    [
        {"id": f"{TASK_ID}-other", "status": "completed"},
        {"id": 17, "status": "completed"},
        {"task_id": f"{TASK_ID}-other", "status": "completed"},
        {"data": {"id": f"{TASK_ID}-other"}, "status": "completed"},
    ],
    ids=lambda body: next(iter(body)),
)
def test_one_poll_that_is_answered_about_another_task_names_both(body: dict[str, Any]) -> None:
    """A single query says which task was asked for, and which one came."""
    with pytest.raises(errors.UnexpectedResponse) as caught:
        Stage(in_turn([reply(200, body)])).play(fetch_status(REQUEST, TASK_ID))
    assert f"about task {TASK_ID}, but its body is about task '" in str(caught.value)
    assert caught.value.task_id == TASK_ID


@pytest.mark.parametrize(
    "body", [{}, {"id": None}, {"id": f"{TASK_ID} \n"}, {"data": {"id": TASK_ID}}]
)
def test_a_response_that_names_no_other_task_is_of_the_one_asked_for(body: dict[str, Any]) -> None:
    """The documents require no id, and white space around one means nothing."""
    whole = {"status": "processing", **body}
    assert Stage(in_turn([reply(200, whole)])).play(fetch_status(REQUEST, TASK_ID)).id == TASK_ID


MISSING = reply(404, {"error": {"message": "no such task"}})


@pytest.mark.parametrize("age", [0.0, 30.0, 59.0])
def test_an_unknown_task_is_tolerated_within_a_minute_of_its_submission(age: float) -> None:
    """Replication lags: by this machine's clock, by the API's, and by what a ledger recorded."""
    known = BIRTH - age
    for asked in (
        PollTarget(TASK_ID, REQUEST, PollRateLimiter(FREE), known),
        PollTarget(TASK_ID, REQUEST, PollRateLimiter(FREE), submitted_at=known),
        PollTarget(TASK_ID, REQUEST, PollRateLimiter(FREE), BIRTH - 1e5, submitted_at=known),
        PollTarget(TASK_ID, REQUEST, PollRateLimiter(FREE), read_submitted_at=lambda: known),
    ):
        stage = Stage(in_turn([MISSING, task("completed")]), latency=0.001)
        assert stage.play(poll_until_done(asked, timeout=900, on_update=None)).succeeded
        stage = Stage(in_turn([MISSING]))
        with pytest.raises(errors.NotFound):
            stage.play(poll_until_done(asked, timeout=900, on_update=None))
        assert 60 - age <= stage.ticks <= 90 - age


@pytest.mark.parametrize("submitted", [None, BIRTH - 61, BIRTH - 1e5, BIRTH + 1e5])
def test_an_unknown_task_of_another_age_ends_the_wait(submitted: float | None) -> None:
    """A wrong id is told soon, not after the timeout."""
    for asked in (
        PollTarget(TASK_ID, REQUEST, PollRateLimiter(FREE), submitted),
        PollTarget(TASK_ID, REQUEST, PollRateLimiter(FREE), read_submitted_at=lambda: submitted),
    ):
        stage = Stage(in_turn([MISSING, task("completed")]))
        with pytest.raises(errors.NotFound):
            stage.play(poll_until_done(asked, timeout=900, on_update=None))


DONE = ["success", "succeeded", "done", "SUCCESS", "Done"]


@pytest.mark.parametrize("word", DONE)
@pytest.mark.parametrize("more", [{"results": [LINK]}, {"results": [LINK], "progress": 100}])
def test_an_undocumented_word_of_success_is_an_end(
    word: str, more: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It is reported once as undocumented."""
    asked = question()
    for _ in range(2):
        found = Stage(in_turn([task(word, **more)])).play(
            poll_until_done(asked, timeout=9, on_update=None)
        )
        assert found.succeeded
        assert found.urls == (LINK,)
    said = [one.getMessage() for one in caplog.records if "undocumented" in one.getMessage()]
    assert said == [
        f"task {TASK_ID}: status {word.lower()!r} is undocumented, and taken for completed"
    ]


@pytest.mark.parametrize("word", DONE)
@pytest.mark.parametrize("more", [{}, {"progress": 99}, {"results": []}])
def test_a_word_of_success_with_nothing_to_show_is_no_end(word: str, more: dict[str, Any]) -> None:
    """Without results, and before 100 %, something of it is still to come."""
    answers = [task(word, **more), task("completed", results=["https://files.example/b.mp4"])]
    found = Stage(in_turn(answers)).play(poll_until_done(question(), timeout=900, on_update=None))
    assert found.urls == ("https://files.example/b.mp4",)


@pytest.mark.parametrize("word", ["error", "errored", "ERROR"])
@pytest.mark.parametrize("error", ["boom", {"code": "service_error", "message": "boom"}])
def test_an_undocumented_word_of_failure_is_an_end(
    word: str, error: object, caplog: pytest.LogCaptureFixture
) -> None:
    """It is a failure, with the reason that came, and reported as undocumented."""
    outcome = play(Stage(in_turn([task(word, error=error)])), 900)
    assert isinstance(outcome, errors.TaskFailed)
    assert "boom" in str(outcome)
    assert f"{word.lower()!r} is undocumented, and taken for failed" in caplog.text


FILE, SOUND, COVER = "https://x/a.mp4", "https://x/a.mp3", "https://x/a.png"


@pytest.mark.parametrize(
    ("body", "links"),
    [
        ({"results": [FILE, COVER]}, (FILE, COVER)),
        *(
            ({where: [{name: FILE}]}, (FILE,))
            for where in ("results", "result_data")
            for name in ("url", "image_url", "video_url", "audio_url")
        ),
        ({"results": [{"image_url": COVER, "video_url": FILE}]}, (FILE,)),
        ({"results": [{"image_url": COVER, "audio_url": SOUND}]}, (SOUND,)),
        ({"results": [{"image_url": COVER, "url": FILE}]}, (FILE,)),
        ({"results": [], "result_data": [{"url": FILE}]}, (FILE,)),
        ({"results": None, "data": {"results": [FILE]}}, (FILE,)),
        ({"data": {"results": [{"image_url": COVER, "video_url": FILE}]}}, (FILE,)),
        ({"results": [{"url": ""}, {"url": 5}, 7, None, FILE]}, (FILE,)),
    ],
)
def test_links_are_read_wherever_they_come(body: dict[str, Any], links: tuple[str, ...]) -> None:
    """Video and sound come before an image beside them, which is their cover."""
    answer = reply(200, {"id": TASK_ID, "status": "completed", **body})
    found = Stage(in_turn([answer])).play(poll_until_done(question(), timeout=9, on_update=None))
    assert found.urls == links


def test_a_completed_task_without_links_is_asked_again() -> None:
    """A few times, soon, and then it counts; nobody is told of it before."""
    told: list[Snapshot] = []
    bare = task("completed", results=[])
    stage = Stage(in_turn([bare, bare, task("completed")]))
    assert stage.play(poll_until_done(question(), timeout=900, on_update=told.append)).urls == (
        LINK,
    )
    assert [snapshot.urls for snapshot in told] == [(LINK,)]
    stage = Stage(in_turn([bare]))
    assert stage.play(poll_until_done(question(), timeout=900, on_update=None)).urls == ()
    assert len(stage.sent) == 4
    assert stage.ticks < 10


def test_a_completed_task_without_links_counts_when_time_is_up() -> None:
    """It is completed, after all."""
    stage = Stage(in_turn([task("completed", results=[])]))
    assert stage.play(poll_until_done(question(), timeout=0, on_update=None)).succeeded
    assert len(stage.sent) == 1


WHEN = "Tue, 15 Nov 1994 08:12:31 GMT"
LATER = "Tue, 15 Nov 1994 08:13:01 GMT"


@pytest.mark.parametrize(
    ("headers", "unix", "seconds"),
    [
        ({"retry_after": LATER, "date": WHEN}, BIRTH, 30),
        ({"retry_after": WHEN, "date": LATER}, BIRTH, 0),
        ({"retry_after": LATER}, 784887151.0, 30),
        ({"retry_after": LATER, "date": "soon"}, 784887151.0, 30),
        ({"retry_after": "120", "date": WHEN}, BIRTH, 120),
        ({"retry_after": "9" * 5000}, BIRTH, 1e9),
        ({"retry_after": "soon"}, BIRTH, None),
    ],
)
def test_a_date_to_retry_after_is_read_by_the_servers_clock(
    headers: dict[str, str], unix: float, seconds: float | None
) -> None:
    """The response says what time it is there; this machine's clock stands in where it doesn't."""
    assert retry_after(reply(429, {}, **headers), now=unix) == seconds
