"""Submit a request: once, unless it was provably not accepted or the user asks for more."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NoReturn

from attrs import define, evolve, frozen

from wanflow import errors
from wanflow._core import retry_policy, submission_response
from wanflow._core.effects import random_float, read_clock, sleep
from wanflow._core.snapshot import Snapshot
from wanflow._flows.attempt import Attempt
from wanflow._flows.submit_events import SubmitEvents
from wanflow._flows.throttle import slow_down
from wanflow._flows.uncertain import attempts_exhausted

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow._core.effects import Flow
    from wanflow._core.rate_limiter import PollRateLimiter
    from wanflow._flows.attempt import Outcome, SubmissionRecord
    from wanflow._flows.prepare import PreparedRequest

_STOP_CHECK_INTERVAL = 0.25
"""Seconds after which a pause asks whether it was stopped."""


@frozen
class _RetryLimits:
    """How long a submission is retried: some seconds from its start, and until `stopped`."""

    start: float
    seconds: float
    stopped: Callable[[], bool] | None

    def sleep(self, delay: float) -> Flow[bool]:
        """Sleep before the next attempt → False if it was stopped meanwhile."""
        if self.stopped is None:
            yield from sleep(delay)
            return True
        until = (yield from read_clock()).monotonic + delay
        while not self.stopped() and (remaining := until - (yield from read_clock()).monotonic) > 0:
            yield from sleep(min(remaining, _STOP_CHECK_INTERVAL))
        return not self.stopped()


@define
class _Attempts:
    """The failed attempts of a submission; `uncertain` is the last one that may be accepted.

    `charges` counts those that may be charged; another is sent only below `max_charges`.
    """

    resubmit_uncertain: bool
    max_charges: float = math.inf
    count: int = 0
    charges: int = 0
    reached: bool = False
    last: errors.WanflowError | None = None
    uncertain: errors.SubmitUncertain | None = None

    def record(self, outcome: errors.WanflowError) -> None:
        """Record an attempt that gave no task."""
        self.count += 1
        self.last = outcome
        self.reached = self.reached or not isinstance(outcome, errors.ConnectionFailed)
        if isinstance(outcome, errors.SubmitUncertain):
            self.uncertain = outcome
            self.charges += 1

    @property
    def retryable(self) -> bool:
        """Whether another attempt is safe, or was requested although it isn't."""
        if self.charges >= self.max_charges:
            return False
        match self.last:
            case errors.SubmitUncertain(task_id=task_id):
                # A task that is known is waited for, and not paid for again.
                return self.resubmit_uncertain and task_id is None
            case error:
                return submission_response.is_retryable(error)

    def error(self, prepared: PreparedRequest) -> errors.WanflowError:
        """Return the error to end with: a rejection doesn't undo an earlier uncertain attempt."""
        assert self.last is not None
        uncertain = self.uncertain
        if uncertain is None or uncertain.task_id or not self.resubmit_uncertain:
            return self.last
        return attempts_exhausted(prepared, self.count, uncertain, self.last)


def submit(
    prepared: PreparedRequest,
    record: SubmissionRecord | None = None,
    *,
    retry_timeout: float,
    limiter: PollRateLimiter,
    stopped: Callable[[], bool] | None = None,
) -> Flow[Snapshot]:
    """Submit, and retry within `retry_timeout` seconds only what provably was not accepted.

    Nothing is retried once `stopped` returns True. If the request says so, uncertain attempts are
    retried as well, with the same key. `record` records each attempt. A 429 also lowers the
    client's rate of polls. Every exception has the key, and the task's id once there is one.

    Raises:
        ConnectionFailed: nothing reached the API.
        SubmitUncertain: it may have been accepted, and no proof of the contrary came.
        APIError: the API rejected it; `wanflow.errors` lists the kinds.
        LedgerError: it can't be recorded, or another process works on it (JobLocked).
        InvalidRequest: the key was used for another request.
    """
    state, max_charges = prepared.state, prepared.max_charges
    attempts = _Attempts(
        prepared.resubmit_uncertain, math.inf if max_charges is None else max_charges
    )
    events, attempt = SubmitEvents(prepared), None
    try:
        now = (yield from read_clock()).monotonic
        yield from events.started(now)
        limits = _RetryLimits(now, retry_timeout, stopped)
        while True:
            attempt = Attempt(prepared, record)
            state.tracker = attempt.tracker
            events.attempt_started(now)
            outcome: Outcome = yield attempt
            yield from events.attempt_ended(attempt)
            if isinstance(outcome, Snapshot):
                if attempt.known is not None:
                    return outcome
                return evolve(outcome, submitted=(yield from read_clock()).wall)
            attempts.record(outcome)
            state.uncertain, state.tracker = attempts.uncertain is not None, None
            if not (yield from _wait_for_retry(attempts, outcome, limits, limiter, events)):
                _raise_failure(attempts.error(prepared))
            now = (yield from read_clock()).monotonic
    except BaseException as error:
        state.annotate(error)
        if record is not None:
            record.release(state.task_id)
        yield from events.broken_off(error, attempt)
        raise


def _raise_failure(error: errors.WanflowError) -> NoReturn:
    raise error


def _wait_for_retry(
    attempts: _Attempts,
    error: errors.WanflowError,
    limits: _RetryLimits,
    limiter: PollRateLimiter,
    events: SubmitEvents,
) -> Flow[bool]:
    """Wait for the next attempt after an error → False if there is none."""
    if not attempts.retryable:
        return False
    delay = yield from _pause(error, attempts.count - 1)
    elapsed = (yield from read_clock()).monotonic - limits.start
    if isinstance(error, errors.RateLimited):
        yield from slow_down(limiter, error.retry_after, "submit", None)
    window = retry_policy.retry_window(limits.seconds, reached=attempts.reached)
    if not retry_policy.fits_window(delay, elapsed=elapsed, window=window):
        return False
    yield from events.retry_scheduled(error, delay)
    return (yield from limits.sleep(delay))


def _pause(error: errors.WanflowError, attempt: int) -> Flow[float]:
    retry_after = error.retry_after if isinstance(error, errors.APIError) else None
    # A server that says "after 0 seconds" for ever must not be hammered for ever.
    return max(retry_after or 0.0, retry_policy.backoff(attempt, (yield from random_float())))
