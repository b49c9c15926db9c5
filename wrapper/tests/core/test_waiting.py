"""A wait for a task, whatever the server responds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.fake_driver import (
    LINK,
    MAYBE_SENT,
    NOT_SENT,
    START,
    TASK_ID,
    FakeDriver,
    in_turn,
    response,
    task,
)
from wanflow import errors
from wanflow._core.effects import Request, Response, Sleep, TransportError
from wanflow._core.error_mapping import retry_after
from wanflow._core.failure_codes import HINTS
from wanflow._core.rate_limiter import LONGEST_PAUSE, PollRateLimiter
from wanflow._core.snapshot import Snapshot
from wanflow._flows.poll import PollTarget, fetch_status, poll_until_done

REQUEST = Request("GET", f"/v1/tasks/{TASK_ID}")
UNLIMITED = 1e9
"""A rate of polls a second that never delays one."""

running = st.builds(
    lambda status, progress, estimate: task(
        status, progress=progress, task_info={"estimated_time": estimate}
    ),
    st.sampled_from(["pending", "processing", "queued", "", "PROCESSING"]),
    st.one_of(st.none(), st.integers(-5, 120)),
    st.one_of(st.none(), st.floats(0, 10_000)),
)
temporary = st.one_of(
    st.builds(
        response,
        st.sampled_from([408, 409, 429, 500, 502, 503, 504, 520, 302]),
        st.just({"error": {"code": 1, "message": "no", "type": "x"}}),
        retry_after=st.one_of(st.integers(0, 10**6).map(str), st.text(max_size=20)),
    ),
    # With a brace it may be an object, in one encoding or another: a task without a status.
    st.builds(response, st.just(200), st.binary(max_size=30).filter(lambda body: b"{" not in body)),
    st.just(MAYBE_SENT),
    st.just(NOT_SENT),
)
endings = st.sampled_from(["completed", "failed", "cancelled", "canceled", "COMPLETED", "Failed"])
rejections = st.sampled_from([400, 401, 402, 403, 404])


def poll_target() -> PollTarget:
    """Return the target of a client that polls nothing else."""
    return PollTarget(TASK_ID, REQUEST, PollRateLimiter(UNLIMITED))


def outcome_of(driver: FakeDriver, timeout: float) -> Snapshot | Exception:
    """Wait, and return the snapshot or the error."""
    try:
        return driver.run(poll_until_done(poll_target(), timeout=timeout, on_update=None))
    except Exception as error:
        return error


@given(
    responses=st.lists(st.one_of(running, temporary), min_size=1),
    timeout=st.floats(0, 900),
    random=st.floats(0, 1, exclude_max=True),
    latency=st.floats(0.001, 40),
)
def test_a_wait_never_sleeps_past_its_deadline(
    responses: list[Response | TransportError], timeout: float, random: float, latency: float
) -> None:
    """Whatever the responses are, the sleeps and polls end at the deadline."""
    driver = FakeDriver(in_turn(responses), random=random, latency=latency)
    outcome = outcome_of(driver, timeout)
    assert isinstance(outcome, errors.WaitTimeout)
    assert driver.elapsed <= timeout + latency + 1e-6
    assert isinstance(outcome, TimeoutError)
    assert outcome.task_id == TASK_ID


@given(before=st.lists(st.one_of(running, temporary), max_size=30), status=endings)
def test_every_final_status_ends_the_wait(
    before: list[Response | TransportError], status: str
) -> None:
    """The first response with a final status is the last request; it gives a result or an error."""
    driver = FakeDriver(in_turn([*before, task(status, results=["https://files.example/a.mp4"])]))
    outcome = outcome_of(driver, 1e9)
    assert len(driver.sent) == len(before) + 1
    if status.lower() == "completed":
        assert isinstance(outcome, Snapshot)
        assert outcome.urls == ("https://files.example/a.mp4",)
    else:
        assert isinstance(outcome, errors.TaskFailed)
        assert outcome.task_id == TASK_ID
        assert outcome.snapshot is not None


@given(before=st.lists(st.one_of(running, temporary), max_size=30), status=rejections)
def test_a_rejected_poll_ends_the_wait(
    before: list[Response | TransportError], status: int
) -> None:
    """A retry doesn't help against a wrong key, account or id."""
    driver = FakeDriver(in_turn([*before, response(status, {"error": {"message": "no"}})]))
    outcome = outcome_of(driver, 1e9)
    assert isinstance(outcome, errors.APIError)
    assert outcome.status == status
    assert outcome.task_id == TASK_ID
    assert len(driver.sent) == len(before) + 1


@given(responses=st.lists(temporary, min_size=1, max_size=400))
def test_errors_are_limited_by_time_and_not_by_number(
    responses: list[Response | TransportError],
) -> None:
    """A result after any number of errors is still the result."""
    driver = FakeDriver(in_turn([*responses, task("completed")]))
    assert isinstance(outcome_of(driver, 1e12), Snapshot)


@given(seconds=st.integers(0, 10_000), timeout=st.floats(0, 5000))
def test_the_retry_after_of_a_429_is_respected(seconds: int, timeout: float) -> None:
    """The next poll comes after Retry-After, the longest pause, or at the deadline."""
    driver = FakeDriver(in_turn([response(429, {}, retry_after=str(seconds)), task("completed")]))
    outcome_of(driver, timeout)
    first = driver.slept[0] if driver.slept else 0.0
    kept = min(seconds, LONGEST_PAUSE)
    assert first == pytest.approx(min(max(first, kept), timeout - 0.01), abs=0.02) or (
        not driver.slept
    )


def test_the_last_poll_is_at_the_deadline() -> None:
    """A task that ends in the last interval is noticed at the deadline."""
    driver = FakeDriver(lambda _, elapsed: task("completed" if elapsed > 29.9 else "processing"))
    assert isinstance(outcome_of(driver, 30), Snapshot)
    assert driver.elapsed == pytest.approx(30, abs=0.1)


def test_a_timeout_of_zero_is_one_poll() -> None:
    """`timeout=0` polls once."""
    driver = FakeDriver(in_turn([task("processing")]))
    assert isinstance(outcome_of(driver, 0), errors.WaitTimeout)
    assert len(driver.sent) == 1


def test_an_unknown_status_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Each unknown status is logged once, not at each poll."""
    turns = [task("queued"), task("dreaming"), task("processing")]
    responses = [task("queued")] * 5 + turns * 3 + [task("completed")]
    outcome_of(FakeDriver(in_turn(responses)), 1e6)
    said = [record.getMessage() for record in caplog.records if "unknown" in record.getMessage()]
    assert len(said) == 2
    assert "'queued'" in said[0]
    assert "'dreaming'" in said[1]


@given(first=st.one_of(running, temporary), last=temporary)
def test_a_timeout_has_the_error_of_the_last_poll(
    first: Response | TransportError, last: Response | TransportError
) -> None:
    """A wrong URL is a common reason for a timeout, so the error is shown."""
    outcome = outcome_of(FakeDriver(in_turn([first, last])), 60)
    assert isinstance(outcome, errors.WaitTimeout)
    assert outcome.last_error
    assert outcome.last_error in str(outcome)
    well = outcome_of(FakeDriver(in_turn([last, task("pending")])), 60)
    assert isinstance(well, errors.WaitTimeout)
    assert well.last_error is None


@given(responses=st.lists(running, max_size=20))
def test_every_snapshot_is_reported(responses: list[Response]) -> None:
    """`on_update` gets the snapshot of each successful poll, in order, with the last one."""
    reported: list[Snapshot] = []
    driver = FakeDriver(in_turn([*responses, task("completed")]))
    driver.run(poll_until_done(poll_target(), timeout=1e9, on_update=reported.append))
    assert len(reported) == len(responses) + 1
    assert reported[-1].succeeded
    assert not any(snapshot.done for snapshot in reported[:-1])


@pytest.mark.parametrize("code", sorted(HINTS))
def test_every_failure_code_knows_whether_a_retry_can_help(code: str) -> None:
    """TaskFailed uses the provider's table."""
    body = {"code": code, "message": "why", "type": "task_error"}
    outcome = outcome_of(FakeDriver(in_turn([task("failed", error=body)])), 10)
    assert isinstance(outcome, errors.TaskFailed)
    assert outcome.code == code
    assert outcome.retryable is HINTS[code].retryable
    assert outcome.hint in str(outcome)


def test_an_unknown_failure_code_is_kept() -> None:
    """A code that isn't in the table is passed on, with the hint for unknown errors."""
    outcome = outcome_of(
        FakeDriver(in_turn([task("failed", error={"code": 7731, "message": "m"})])), 10
    )
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
def test_one_poll_gives_a_snapshot_or_a_wanflow_error(body: object, status: int) -> None:
    """Any JSON with any status is parsed, or is a WanflowError."""
    driver = FakeDriver(in_turn([response(status, body)]))
    try:
        assert isinstance(driver.run(fetch_status(REQUEST, TASK_ID)), Snapshot)
    except errors.WanflowError as error:
        assert error.task_id == TASK_ID  # noqa: PT017 - a snapshot is right too


class Stop(BaseException):
    """Stands for Ctrl-C and for a cancelled asyncio task."""


def test_an_interrupt_has_the_task_id() -> None:
    """KeyboardInterrupt and CancelledError get the id of the task, which is charged."""
    flow = poll_until_done(poll_target(), timeout=60, on_update=None)
    next(flow)
    with pytest.raises(Stop) as caught:
        flow.throw(Stop())
    assert caught.value.task_id == TASK_ID
    assert any(TASK_ID in note for note in caught.value.__notes__)


@given(
    age=st.floats(0.001, 100),
    estimate=st.none() | st.floats(1, 600),
    random=st.floats(0, 1, exclude_max=True),
    timeout=st.floats(0, 900),
)
def test_the_response_to_a_submission_counts_as_a_poll(
    age: float, estimate: float | None, random: float, timeout: float
) -> None:
    """A wait after a submission begins with the pause that follows any poll."""
    target = PollTarget(TASK_ID, REQUEST, PollRateLimiter(UNLIMITED), START - age, estimate)
    driver = FakeDriver(in_turn([task("completed")]), random=random)
    driver.run(poll_until_done(target, timeout=timeout, on_update=None))
    slept = driver.slept[0] if driver.slept else 0.0
    assert slept <= timeout
    assert age + slept >= min(4, age + timeout) or estimate is not None
    assert slept == 0 or age + slept <= 30
    assert len(driver.sent) == 1


@pytest.mark.parametrize("submitted", [None, START - 1e6, START + 10, START - 40])
def test_a_task_of_unknown_age_is_polled_immediately(submitted: float | None) -> None:
    """So is an old task, and one whose age is wrong because of a wrong clock."""
    target = PollTarget(TASK_ID, REQUEST, PollRateLimiter(UNLIMITED), submitted)
    driver = FakeDriver(in_turn([task("completed")]))
    driver.run(poll_until_done(target, timeout=60, on_update=None))
    assert driver.slept == []


@pytest.mark.parametrize("timeout", [0.5, 3.0, 40.0])
def test_no_poll_takes_longer_than_its_wait(timeout: float) -> None:
    """Each may take the rest of the wait; the last one, when no time is left, a second."""
    driver = FakeDriver(lambda _request, _elapsed: task("processing"))
    with pytest.raises(errors.WaitTimeout):
        driver.run(poll_until_done(poll_target(), timeout=timeout, on_update=None))
    ticks, given = 0.0, []
    for effect in driver.trace:
        if isinstance(effect, Sleep):
            ticks += effect.seconds
        if isinstance(effect, Request):
            given.append((ticks, effect.timeout))
            ticks += 0.01
    assert given
    assert all(seconds == pytest.approx(max(timeout - at, 1.0)) for at, seconds in given)


OTHER = task("completed", id=f"{TASK_ID}-other", results=["https://files.example/of-another.mp4"])


@given(before=st.lists(st.one_of(running, temporary, st.just(OTHER)), max_size=10))
def test_a_response_about_another_task_is_an_error_of_the_poll(
    before: list[Response | TransportError],
) -> None:
    """It is tolerated and not reported, its links aren't used, and it doesn't end the wait."""
    reported: list[Snapshot] = []
    driver = FakeDriver(in_turn([*before, OTHER, task("completed")]))
    found = driver.run(poll_until_done(poll_target(), timeout=1e9, on_update=reported.append))
    assert found.urls == (LINK,)
    assert {snapshot.id for snapshot in reported} == {TASK_ID}
    outcome = outcome_of(FakeDriver(in_turn([OTHER])), 20)
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
def test_the_error_of_a_response_about_another_task_names_both(body: dict[str, Any]) -> None:
    """The error has the requested and the received id."""
    with pytest.raises(errors.UnexpectedResponse) as caught:
        FakeDriver(in_turn([response(200, body)])).run(fetch_status(REQUEST, TASK_ID))
    assert f"about task {TASK_ID}, but its body is about task '" in str(caught.value)
    assert caught.value.task_id == TASK_ID


@pytest.mark.parametrize(
    "body", [{}, {"id": None}, {"id": f"{TASK_ID} \n"}, {"data": {"id": TASK_ID}}]
)
def test_a_response_without_another_id_belongs_to_the_task(body: dict[str, Any]) -> None:
    """The spec doesn't require an id, and white space around one is ignored."""
    whole = {"status": "processing", **body}
    assert (
        FakeDriver(in_turn([response(200, whole)])).run(fetch_status(REQUEST, TASK_ID)).id
        == TASK_ID
    )


MISSING = response(404, {"error": {"message": "no such task", "code": "task_not_found"}})


@pytest.mark.parametrize("age", [0.0, 30.0, 59.0])
def test_an_unknown_task_is_tolerated_within_a_minute_of_its_submission(age: float) -> None:
    """Servers may replicate slowly; the age is from either clock or from the ledger."""
    known = START - age
    for target in (
        PollTarget(TASK_ID, REQUEST, PollRateLimiter(UNLIMITED), known),
        PollTarget(TASK_ID, REQUEST, PollRateLimiter(UNLIMITED), submitted_at=known),
        PollTarget(TASK_ID, REQUEST, PollRateLimiter(UNLIMITED), START - 1e5, submitted_at=known),
        PollTarget(TASK_ID, REQUEST, PollRateLimiter(UNLIMITED), read_submitted_at=lambda: known),
    ):
        driver = FakeDriver(in_turn([MISSING, task("completed")]), latency=0.001)
        assert driver.run(poll_until_done(target, timeout=900, on_update=None)).succeeded
        driver = FakeDriver(in_turn([MISSING]))
        with pytest.raises(errors.NotFound):
            driver.run(poll_until_done(target, timeout=900, on_update=None))
        assert 60 - age <= driver.elapsed <= 90 - age


@pytest.mark.parametrize("submitted", [None, START - 61, START - 1e5, START + 1e5])
def test_an_unknown_task_of_another_age_ends_the_wait(submitted: float | None) -> None:
    """A wrong id is an error soon, not after the timeout."""
    for target in (
        PollTarget(TASK_ID, REQUEST, PollRateLimiter(UNLIMITED), submitted),
        PollTarget(
            TASK_ID, REQUEST, PollRateLimiter(UNLIMITED), read_submitted_at=lambda: submitted
        ),
    ):
        driver = FakeDriver(in_turn([MISSING, task("completed")]))
        with pytest.raises(errors.NotFound):
            driver.run(poll_until_done(target, timeout=900, on_update=None))


DONE = ["success", "succeeded", "done", "SUCCESS", "Done"]


@pytest.mark.parametrize("status", DONE)
@pytest.mark.parametrize("more", [{"results": [LINK]}, {"results": [LINK], "progress": 100}])
def test_an_undocumented_status_of_success_ends_the_wait(
    status: str, more: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once as undocumented."""
    target = poll_target()
    for _ in range(2):
        found = FakeDriver(in_turn([task(status, **more)])).run(
            poll_until_done(target, timeout=9, on_update=None)
        )
        assert found.succeeded
        assert found.urls == (LINK,)
    said = [one.getMessage() for one in caplog.records if "undocumented" in one.getMessage()]
    assert said == [
        f"task {TASK_ID}: status {status.lower()!r} is undocumented, and taken for completed"
    ]


@pytest.mark.parametrize("status", DONE)
@pytest.mark.parametrize("more", [{}, {"progress": 99}, {"results": []}])
def test_an_undocumented_success_without_links_is_not_final(
    status: str, more: dict[str, Any]
) -> None:
    """Without results, and before 100 %, the wait continues."""
    responses = [task(status, **more), task("completed", results=["https://files.example/b.mp4"])]
    found = FakeDriver(in_turn(responses)).run(
        poll_until_done(poll_target(), timeout=900, on_update=None)
    )
    assert found.urls == ("https://files.example/b.mp4",)


@pytest.mark.parametrize("status", DONE)
def test_an_undocumented_success_at_100_percent_is_final(status: str) -> None:
    """Its links are polled for like those of a completed task; without any, it has ended too."""
    driver = FakeDriver(in_turn([task(status, progress=100, results=[])]))
    found = driver.run(poll_until_done(poll_target(), timeout=900, on_update=None))
    assert found.succeeded
    assert found.urls == ()
    assert len(driver.sent) == 4


@pytest.mark.parametrize("status", ["error", "errored", "ERROR"])
@pytest.mark.parametrize("error", ["boom", {"code": "service_error", "message": "boom"}])
def test_an_undocumented_status_of_failure_ends_the_wait(
    status: str, error: object, caplog: pytest.LogCaptureFixture
) -> None:
    """It is a failure with its reason, and is logged as undocumented."""
    outcome = outcome_of(FakeDriver(in_turn([task(status, error=error)])), 900)
    assert isinstance(outcome, errors.TaskFailed)
    assert "boom" in str(outcome)
    assert f"{status.lower()!r} is undocumented, and taken for failed" in caplog.text


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
def test_links_are_read_from_each_position(body: dict[str, Any], links: tuple[str, ...]) -> None:
    """A video or audio link comes before an image beside it, which is its cover."""
    answer = response(200, {"id": TASK_ID, "status": "completed", **body})
    found = FakeDriver(in_turn([answer])).run(
        poll_until_done(poll_target(), timeout=9, on_update=None)
    )
    assert found.urls == links


def test_a_completed_task_without_links_is_polled_again() -> None:
    """It is polled a few more times, and reported as completed only after that."""
    reported: list[Snapshot] = []
    without_links = task("completed", results=[])
    driver = FakeDriver(in_turn([without_links, without_links, task("completed")]))
    assert driver.run(
        poll_until_done(poll_target(), timeout=900, on_update=reported.append)
    ).urls == (LINK,)
    assert [snapshot.urls for snapshot in reported] == [(LINK,)]
    driver = FakeDriver(in_turn([without_links]))
    assert driver.run(poll_until_done(poll_target(), timeout=900, on_update=None)).urls == ()
    assert len(driver.sent) == 4
    assert driver.elapsed < 10


def test_a_completed_task_without_links_counts_at_the_deadline() -> None:
    """There is no time for another poll."""
    driver = FakeDriver(in_turn([task("completed", results=[])]))
    assert driver.run(poll_until_done(poll_target(), timeout=0, on_update=None)).succeeded
    assert len(driver.sent) == 1


WHEN = "Tue, 15 Nov 1994 08:12:31 GMT"
LATER = "Tue, 15 Nov 1994 08:13:01 GMT"


@pytest.mark.parametrize(
    ("headers", "unix", "seconds"),
    [
        ({"retry_after": LATER, "date": WHEN}, START, 30),
        ({"retry_after": WHEN, "date": LATER}, START, 0),
        ({"retry_after": LATER}, 784887151.0, 30),
        ({"retry_after": LATER, "date": "soon"}, 784887151.0, 30),
        ({"retry_after": "120", "date": WHEN}, START, 120),
        ({"retry_after": "9" * 5000}, START, 1e9),
        ({"retry_after": "soon"}, START, None),
    ],
)
def test_a_retry_after_date_is_compared_with_the_servers_clock(
    headers: dict[str, str], unix: float, seconds: float | None
) -> None:
    """The response's Date is the server's time; without one, this machine's clock is used."""
    assert retry_after(response(429, {}, **headers), now=unix) == seconds
