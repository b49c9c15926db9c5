"""Laws of a submission, which is charged: once, unless it provably was not accepted."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tests.core.fake_driver import LOST, UNREACHED, Stage, in_turn, reply, task
from wanflow import errors
from wanflow._config import DEFAULT_RETRY_WINDOW
from wanflow._core.effects import Request, Response, SendRequest, Sleep, TransportError
from wanflow._core.rate_limiter import PollRateLimiter
from wanflow._core.snapshot import Snapshot
from wanflow._core.submission_state import SubmissionState
from wanflow._flows.prepare import PreparedRequest
from wanflow._flows.submit import submit

ORDER = PreparedRequest(
    model="a-model",
    request=Request("POST", "/v1/videos/generations", b"{}"),
    body={"model": "a-model"},
    idempotency_key="0123456789abcdef",
)

INSISTENT = evolve(ORDER, resubmit_uncertain=True)


def error(message: str, **more: str) -> dict[str, object]:
    """The documents' error object."""
    return {"error": {"code": 7, "message": message, **more}}


BUSY = reply(429, error("busy"), retry_after="0")

refused = st.builds(
    reply,
    st.sampled_from([429, 503]),
    st.just(error("busy")),
    retry_after=st.integers(0, 100).map(str),
)
unaccepted = st.one_of(refused, st.just(UNREACHED))
lost = st.one_of(
    st.just(LOST),
    st.builds(reply, st.sampled_from([200, 201, 202, 204]), st.binary(max_size=20)),
    st.just(reply(200, {"status": "pending"})),
)
broken = st.sampled_from([500, 502, 504, 520, 409]).map(lambda status: reply(status, error("oops")))
doubtful = lost | broken
final = st.sampled_from([400, 401, 402, 403, 404, 409, 413, 422, 500, 502, 504, 520, 301])


def play(
    stage: Stage, retry_timeout: float, order: PreparedRequest = ORDER
) -> Snapshot | errors.WanflowError:
    """Submit, and return what came of it, whichever way it came."""
    try:
        fresh = evolve(order, state=SubmissionState(order.idempotency_key))
        return stage.play(submit(fresh, retry_timeout=retry_timeout, limiter=PollRateLimiter(10)))
    except errors.WanflowError as error:
        return error


@given(before=st.lists(refused, max_size=20), answer=lost)
def test_a_lost_answer_is_never_sent_again(
    before: list[Response | TransportError], answer: object
) -> None:
    """Once a request may have been accepted, it is the last one, whatever went before."""
    stage = Stage(in_turn([UNREACHED, *before, answer, task("pending")]))
    outcome = play(stage, 1e9)
    assert isinstance(outcome, errors.SubmitUncertain)
    assert len(stage.sent) == len(before) + 2
    assert outcome.idempotency_key == ORDER.idempotency_key
    assert outcome.request == ORDER.body
    assert ORDER.idempotency_key in str(outcome)


@given(before=st.lists(refused, max_size=20), status=final)
def test_an_answer_that_is_no_refusal_ends_it(
    before: list[Response | TransportError], status: int
) -> None:
    """400 to 404 don't mend, and a 500 may follow an acceptance: none is sent again."""
    stage = Stage(in_turn([BUSY, *before, reply(status, error("no")), task("pending")]))
    outcome = play(stage, 1e9)
    assert not isinstance(outcome, Snapshot)
    assert len(stage.sent) == len(before) + 2


@given(before=st.lists(refused, max_size=20))
def test_what_was_provably_not_accepted_is_sent_again(
    before: list[Response | TransportError],
) -> None:
    """429 and 503 are borne while there is time, and so is a lost connection at first."""
    stage = Stage(in_turn([UNREACHED, *before, task("pending")]))
    assert isinstance(play(stage, 1e9), Snapshot)
    assert len(stage.sent) == len(before) + 2


@given(
    answers=st.lists(unaccepted, min_size=1, max_size=5),
    retry_timeout=st.floats(0, 200),
    latency=st.floats(0.001, 5),
)
def test_all_tries_fit_into_the_time_given(
    answers: list[Response | TransportError], retry_timeout: float, latency: float
) -> None:
    """No sleep ends past `retry_for`; one request may be under way at its end."""
    stage = Stage(in_turn(answers), latency=latency)
    outcome = play(stage, retry_timeout)
    assert isinstance(outcome, errors.ConnectionFailed | errors.RateLimited | errors.ServerError)
    assert stage.ticks <= retry_timeout + latency + 1e-6 or len(stage.sent) == 1


def test_the_pause_is_the_headers_then_the_suggestions_then_ours() -> None:
    """`Retry-After`, else the seconds in `fallback_suggestion`, else a backoff with jitter."""
    suggestion = error("m", fallback_suggestion="retry after 60 seconds")
    answers = [
        reply(429, suggestion, retry_after="7"),
        reply(429, suggestion),
        reply(503, error("m")),
        task("pending"),
    ]
    stage = Stage(in_turn(answers))
    play(stage, 1e6)
    assert stage.slept[:2] == [7, 60]
    assert 0 < stage.slept[2] <= 8


@pytest.mark.parametrize(("status", "seconds"), [(429, 60), (503, 30)])
def test_what_the_documents_ask_to_wait_is_within_the_default(status: int, seconds: int) -> None:
    """Without a setting, a submission outlives two of the documents' own refusals."""
    suggestion = error("m", fallback_suggestion=f"retry after {seconds} seconds")
    stage = Stage(in_turn([reply(status, suggestion), reply(status, suggestion), task("pending")]))
    assert isinstance(play(stage, DEFAULT_RETRY_WINDOW), Snapshot)
    assert stage.slept == [seconds, seconds]


@given(latency=st.floats(0.001, 3), retry_timeout=st.floats(0, 1e6))
def test_an_address_where_nobody_answers_is_given_up_soon(
    latency: float, retry_timeout: float
) -> None:
    """Where no answer ever came, ten seconds are the end, however long a busy server would have."""
    stage = Stage(in_turn([UNREACHED]), latency=latency)
    assert isinstance(play(stage, retry_timeout), errors.ConnectionFailed)
    assert stage.ticks <= 10 + latency


@given(first=doubtful, more=st.lists(unaccepted | doubtful, max_size=8))
def test_what_is_in_doubt_is_sent_again_where_that_is_asked_for(
    first: Response | TransportError, more: list[Response | TransportError]
) -> None:
    """Whatever was in doubt is sent again, the same bytes with the same key, until it is taken."""
    stage = Stage(in_turn([first, *more, task("pending")]))
    assert isinstance(play(stage, 1e9, INSISTENT), Snapshot)
    assert stage.sent == [ORDER.request] * (len(more) + 2)


@given(
    answers=st.lists(unaccepted | doubtful, min_size=1, max_size=5),
    retry_timeout=st.floats(0, 200),
    latency=st.floats(0.001, 5),
)
def test_what_is_sent_again_in_doubt_fits_into_the_same_time(
    answers: list[Response | TransportError], retry_timeout: float, latency: float
) -> None:
    """`retry_for` bounds these tries as well; one request may be under way at its end."""
    stage = Stage(in_turn(answers), latency=latency)
    assert not isinstance(play(stage, retry_timeout, INSISTENT), Snapshot)
    assert stage.ticks <= retry_timeout + latency + 1e-6 or len(stage.sent) == 1


@given(
    before=st.lists(refused, max_size=3),
    doubt=doubtful,
    after=st.lists(unaccepted | doubtful, max_size=3),
    last=st.sampled_from([400, 401, 402, 404, 429]),
)
def test_a_later_refusal_does_not_end_a_doubt(
    before: list[Response],
    doubt: Response | TransportError,
    after: list[Response | TransportError],
    last: int,
) -> None:
    """A 402 may be what the first try, which was taken, has left of the credits."""
    end = reply(last, error("the last word"))
    outcome = play(Stage(in_turn([*before, doubt, *after, end])), 1e3, INSISTENT)
    assert isinstance(outcome, errors.SubmitUncertain)
    assert outcome.idempotency_key == ORDER.idempotency_key
    assert outcome.request == ORDER.body
    assert "the last word" in str(outcome)
    assert isinstance(outcome.__cause__, errors.APIError)


@pytest.mark.parametrize("first", [LOST, reply(500, {})])
def test_an_interrupt_between_tries_in_doubt_says_so(first: Response | TransportError) -> None:
    """Ctrl-C in the pause before a doubtful submission is sent again doesn't hide the doubt."""

    class Interrupt(Exception):
        pass

    class Interrupted(Stage):
        def _perform(self, effect: object) -> object:
            if isinstance(effect, Sleep):
                raise Interrupt
            return super()._perform(effect)

    with pytest.raises(Interrupt) as caught:
        play(Interrupted(in_turn([first])), 60, INSISTENT)
    assert any(ORDER.idempotency_key in note for note in caught.value.__notes__)


def test_no_time_to_retry_is_one_try() -> None:
    """`retry_for=0` never sends again."""
    stage = Stage(in_turn([UNREACHED]))
    assert isinstance(play(stage, 0), errors.ConnectionFailed)
    assert len(stage.sent) == 1


def test_an_interrupted_submission_says_that_it_may_have_been_charged() -> None:
    """Ctrl-C while the answer is awaited keeps the key that the request carried."""

    class Interrupted(Stage):
        def _send(self, send: SendRequest) -> Response:
            send.tracker.begin()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        play(Interrupted(), 60)
    assert any(ORDER.idempotency_key in note for note in caught.value.__notes__)
