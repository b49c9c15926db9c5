"""A submission is charged, so it is sent once unless it provably was not accepted."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tests.core.fake_driver import MAYBE_SENT, NOT_SENT, FakeDriver, in_turn, response, task
from wanflow import errors
from wanflow._config import DEFAULT_RETRY_WINDOW
from wanflow._core.effects import Request, Response, Sleep, TransportError
from wanflow._core.rate_limiter import PollRateLimiter
from wanflow._core.snapshot import Snapshot
from wanflow._core.submission_state import SubmissionState
from wanflow._flows.prepare import PreparedRequest
from wanflow._flows.submit import submit

PREPARED = PreparedRequest(
    model="a-model",
    request=Request("POST", "/v1/videos/generations", b"{}"),
    body={"model": "a-model"},
    idempotency_key="0123456789abcdef",
)

RESUBMITTING = evolve(PREPARED, resubmit_uncertain=True)


def error(message: str, **more: str) -> dict[str, object]:
    """Return the documented error object."""
    return {"error": {"code": 7, "message": message, **more}}


LIMITED = response(429, error("busy"), retry_after="0")

rejected = st.builds(
    response,
    st.sampled_from([429, 503]),
    st.just(error("busy")),
    retry_after=st.integers(0, 100).map(str),
)
unaccepted = st.one_of(rejected, st.just(NOT_SENT))
without_id = st.one_of(
    st.just(MAYBE_SENT),
    st.builds(response, st.sampled_from([200, 201, 202, 204]), st.binary(max_size=20)),
    st.just(response(200, {"status": "pending"})),
)
server_error = st.sampled_from([500, 502, 504, 520, 409]).map(
    lambda status: response(status, error("oops"))
)
uncertain = without_id | server_error
final = st.sampled_from([400, 401, 402, 403, 404, 409, 413, 422, 500, 502, 504, 520, 301])


def outcome_of(
    driver: FakeDriver, retry_timeout: float, prepared: PreparedRequest = PREPARED
) -> Snapshot | errors.WanflowError:
    """Submit, and return the snapshot or the error."""
    try:
        fresh = evolve(prepared, state=SubmissionState(prepared.idempotency_key))
        return driver.run(submit(fresh, retry_timeout=retry_timeout, limiter=PollRateLimiter(10)))
    except errors.WanflowError as error:
        return error


@given(before=st.lists(rejected, max_size=20), last=without_id)
def test_a_submission_without_a_usable_response_is_never_sent_again(
    before: list[Response | TransportError], last: object
) -> None:
    """Once a request may have been accepted, no further one is sent."""
    driver = FakeDriver(in_turn([NOT_SENT, *before, last, task("pending")]))
    outcome = outcome_of(driver, 1e9)
    assert isinstance(outcome, errors.SubmitUncertain)
    assert len(driver.sent) == len(before) + 2
    assert outcome.idempotency_key == PREPARED.idempotency_key
    assert outcome.request == PREPARED.body
    assert PREPARED.idempotency_key in str(outcome)


@given(before=st.lists(rejected, max_size=20), status=final)
def test_any_other_error_ends_the_submission(
    before: list[Response | TransportError], status: int
) -> None:
    """A retry can't help after 400 to 404, and after a 500 the task may be accepted."""
    driver = FakeDriver(in_turn([LIMITED, *before, response(status, error("no")), task("pending")]))
    outcome = outcome_of(driver, 1e9)
    assert not isinstance(outcome, Snapshot)
    assert len(driver.sent) == len(before) + 2


@given(before=st.lists(rejected, max_size=20))
def test_a_submission_that_was_not_accepted_is_sent_again(
    before: list[Response | TransportError],
) -> None:
    """429, 503 and a failed first connection are retried until the timeout."""
    driver = FakeDriver(in_turn([NOT_SENT, *before, task("pending")]))
    assert isinstance(outcome_of(driver, 1e9), Snapshot)
    assert len(driver.sent) == len(before) + 2


@given(
    responses=st.lists(unaccepted, min_size=1, max_size=5),
    retry_timeout=st.floats(0, 200),
    latency=st.floats(0.001, 5),
)
def test_all_attempts_fit_into_retry_timeout(
    responses: list[Response | TransportError], retry_timeout: float, latency: float
) -> None:
    """No sleep ends after `retry_timeout`; one request may be in flight at its end."""
    driver = FakeDriver(in_turn(responses), latency=latency)
    outcome = outcome_of(driver, retry_timeout)
    assert isinstance(outcome, errors.ConnectionFailed | errors.RateLimited | errors.ServerError)
    assert driver.elapsed <= retry_timeout + latency + 1e-6 or len(driver.sent) == 1


def test_the_pause_is_from_the_header_the_suggestion_or_backoff() -> None:
    """`Retry-After`, else the seconds in `fallback_suggestion`, else a backoff with jitter."""
    suggestion = error("m", fallback_suggestion="retry after 60 seconds")
    responses = [
        response(429, suggestion, retry_after="7"),
        response(429, suggestion),
        response(503, error("m")),
        task("pending"),
    ]
    driver = FakeDriver(in_turn(responses))
    outcome_of(driver, 1e6)
    assert driver.slept[:2] == [7, 60]
    assert 0 < driver.slept[2] <= 8


@pytest.mark.parametrize(("status", "seconds"), [(429, 60), (503, 30)])
def test_the_documented_pauses_fit_into_the_default(status: int, seconds: int) -> None:
    """With the default, a submission continues after two documented rejections."""
    suggestion = error("m", fallback_suggestion=f"retry after {seconds} seconds")
    driver = FakeDriver(
        in_turn([response(status, suggestion), response(status, suggestion), task("pending")])
    )
    assert isinstance(outcome_of(driver, DEFAULT_RETRY_WINDOW), Snapshot)
    assert driver.slept == [seconds, seconds]


@given(latency=st.floats(0.001, 3), retry_timeout=st.floats(0, 1e6))
def test_an_unreachable_host_is_an_error_soon(latency: float, retry_timeout: float) -> None:
    """Without any response, retries end after ten seconds, whatever `retry_timeout` is."""
    driver = FakeDriver(in_turn([NOT_SENT]), latency=latency)
    assert isinstance(outcome_of(driver, retry_timeout), errors.ConnectionFailed)
    assert driver.elapsed <= 10 + latency


@given(first=uncertain, more=st.lists(unaccepted | uncertain, max_size=8))
def test_resubmit_uncertain_sends_an_uncertain_submission_again(
    first: Response | TransportError, more: list[Response | TransportError]
) -> None:
    """The same bytes are sent with the same key until they are accepted."""
    driver = FakeDriver(in_turn([first, *more, task("pending")]))
    assert isinstance(outcome_of(driver, 1e9, RESUBMITTING), Snapshot)
    assert driver.sent == [PREPARED.request] * (len(more) + 2)


@given(
    responses=st.lists(unaccepted | uncertain, min_size=1, max_size=5),
    retry_timeout=st.floats(0, 200),
    latency=st.floats(0.001, 5),
)
def test_resubmissions_fit_into_retry_timeout(
    responses: list[Response | TransportError], retry_timeout: float, latency: float
) -> None:
    """No sleep ends after `retry_timeout`; one request may be in flight at its end."""
    driver = FakeDriver(in_turn(responses), latency=latency)
    assert not isinstance(outcome_of(driver, retry_timeout, RESUBMITTING), Snapshot)
    assert driver.elapsed <= retry_timeout + latency + 1e-6 or len(driver.sent) == 1


@given(
    before=st.lists(rejected, max_size=3),
    uncertain_response=uncertain,
    after=st.lists(unaccepted | uncertain, max_size=3),
    last=st.sampled_from([400, 401, 402, 404, 429]),
)
def test_a_later_rejection_does_not_make_it_certain(
    before: list[Response],
    uncertain_response: Response | TransportError,
    after: list[Response | TransportError],
    last: int,
) -> None:
    """A 402 may come because the first attempt was accepted and used up the credits."""
    end = response(last, error("the last word"))
    outcome = outcome_of(
        FakeDriver(in_turn([*before, uncertain_response, *after, end])), 1e3, RESUBMITTING
    )
    assert isinstance(outcome, errors.SubmitUncertain)
    assert outcome.idempotency_key == PREPARED.idempotency_key
    assert outcome.request == PREPARED.body
    assert "the last word" in str(outcome)
    assert isinstance(outcome.__cause__, errors.APIError)


@pytest.mark.parametrize("first", [MAYBE_SENT, response(500, {})])
def test_an_interrupt_before_a_resubmission_has_a_note(first: Response | TransportError) -> None:
    """The note of a Ctrl-C in the pause before the second attempt has the idempotency key."""

    class Interrupt(Exception):
        pass

    class InterruptedDriver(FakeDriver):
        def _perform(self, effect: object) -> object:
            if isinstance(effect, Sleep):
                raise Interrupt
            return super()._perform(effect)

    with pytest.raises(Interrupt) as caught:
        outcome_of(InterruptedDriver(in_turn([first])), 60, RESUBMITTING)
    assert any(PREPARED.idempotency_key in note for note in caught.value.__notes__)


def test_a_retry_timeout_of_zero_is_one_attempt() -> None:
    """`retry_timeout=0` never sends again."""
    driver = FakeDriver(in_turn([NOT_SENT]))
    assert isinstance(outcome_of(driver, 0), errors.ConnectionFailed)
    assert len(driver.sent) == 1


def test_an_interrupted_submission_has_a_note_about_the_charge() -> None:
    """The note of a Ctrl-C before the response has the idempotency key."""

    class InterruptedDriver(FakeDriver):
        def _send(self, send: Request) -> Response:
            send.tracker.begin()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        outcome_of(InterruptedDriver(), 60)
    assert any(PREPARED.idempotency_key in note for note in caught.value.__notes__)
