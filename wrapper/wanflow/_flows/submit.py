"""Submit a request: once, unless it was provably not accepted or the user asks for more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, evolve, frozen

from wanflow import errors
from wanflow._core import retry_policy, submission_response
from wanflow._core.effects import random_float, read_clock, sleep
from wanflow._core.snapshot import Snapshot
from wanflow._flows.attempt import Attempt
from wanflow._flows.throttle import slow_down
from wanflow._flows.uncertain import attempts_exhausted
from wanflow._log import RETURNED, log

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
    """How long a submission is repeated: some seconds, and until `stopped` says so."""

    seconds: float
    stopped: Callable[[], bool] | None

    def ends_within(self, delay: float) -> Flow[bool]:
        """Sleep between two tries → whether it was stopped meanwhile."""
        if self.stopped is None:
            yield from sleep(delay)
            return False
        until = (yield from read_clock()).monotonic + delay
        while not self.stopped() and (remaining := until - (yield from read_clock()).monotonic) > 0:
            yield from sleep(min(remaining, _STOP_CHECK_INTERVAL))
        return self.stopped()


@define
class _Attempts:
    """What came of the tries of one submission; `uncertain` is the last that may be accepted."""

    prepared: PreparedRequest
    count: int = 0
    reached: bool = False
    last: errors.WanflowError | None = None
    uncertain: errors.SubmitUncertain | None = None

    def record(self, outcome: errors.WanflowError) -> None:
        """Take note of a try that gave no task."""
        self.count += 1
        self.last = outcome
        self.reached = self.reached or not isinstance(outcome, errors.ConnectionFailed)
        if isinstance(outcome, errors.SubmitUncertain):
            self.uncertain = outcome
            self.prepared.state.uncertain = True

    @property
    def retryable(self) -> bool:
        """Whether another try is safe, or asked for all the same."""
        match self.last:
            case errors.SubmitUncertain(task_id=task_id):
                # A task that is known is waited for, and not paid for again.
                return self.prepared.resubmit_uncertain and task_id is None
            case error:
                return submission_response.is_retryable(error)

    @property
    def error(self) -> errors.WanflowError:
        """The error to end with: a later refusal doesn't prove that no earlier try was taken."""
        assert self.last is not None
        uncertain = self.uncertain
        if uncertain is None or uncertain.task_id or not self.prepared.resubmit_uncertain:
            return self.last
        return attempts_exhausted(self.prepared, self.count, uncertain, self.last)


def submit(
    prepared: PreparedRequest,
    record: SubmissionRecord | None = None,
    *,
    retry_timeout: float,
    limiter: PollRateLimiter,
    stopped: Callable[[], bool] | None = None,
) -> Flow[Snapshot]:
    """Submit, and repeat within `retry_timeout` seconds only what provably was not accepted.

    Nothing is repeated once `stopped` says so.

    Where the order says so, what may have been accepted is repeated as well, with the same key.
    Each try is written down by the `entry`. A 429 also lowers the client's rate limit of polls.
    Whatever breaks it off has the key, and the task's id once there is one.

    Raises:
        ConnectionFailed: nothing reached the API.
        SubmitUncertain: it may have been accepted, and no proof of the contrary came.
        APIError: the API rejected it; `wanflow.errors` lists the kinds.
        LedgerError: it can't be written down, or another process is at it (JobTaken).
        InvalidRequest: the key was used for another request.
    """
    state = prepared.state
    try:
        return (yield from _submit(prepared, record, _RetryLimits(retry_timeout, stopped), limiter))
    except BaseException as error:
        state.annotate(error)
        if record is not None:
            record.release(state.task_id)
        raise


def _submit(
    prepared: PreparedRequest,
    record: SubmissionRecord | None,
    retry_limits: _RetryLimits,
    limiter: PollRateLimiter,
) -> Flow[Snapshot]:
    start = yield from read_clock()
    attempts = _Attempts(prepared)
    while True:
        attempt = Attempt(prepared, record)
        prepared.state.tracker = attempt.tracker
        outcome: Outcome = yield attempt
        prepared.state.tracker = None
        if isinstance(outcome, Snapshot):
            if attempt.known is not None:
                return outcome
            log.info("submitted %s as task %s", prepared.model, outcome.id)
            return evolve(outcome, submitted=(yield from read_clock()).wall)
        attempts.record(outcome)
        if not attempts.retryable:
            raise _log_failure(prepared, attempts.error)
        delay = yield from _pause(outcome, attempts.count - 1)
        now = (yield from read_clock()).monotonic
        if isinstance(outcome, errors.RateLimited):
            yield from slow_down(limiter, outcome.retry_after)
        seconds = retry_policy.retry_window(retry_limits.seconds, reached=attempts.reached)
        if not retry_policy.fits_window(delay, elapsed=now - start.monotonic, window=seconds):
            raise _log_failure(prepared, attempts.error)
        log.warning("%s (%s); sent again in %.1f s", _outcome_word(outcome), outcome, delay)
        if (yield from retry_limits.ends_within(delay)):
            raise _log_failure(prepared, attempts.error)


def _log_failure(prepared: PreparedRequest, error: errors.WanflowError) -> errors.WanflowError:
    """Log that a submission ended without a task, and return the error for it."""
    details = prepared.model, _outcome_word(error), prepared.idempotency_key, error
    log.warning("submission of %s %s, with idempotency key %s: %s", *details, extra=RETURNED)
    return error


def _outcome_word(error: errors.WanflowError) -> str:
    return "uncertain" if isinstance(error, errors.SubmitUncertain) else "not accepted"


def _pause(error: errors.WanflowError, attempt: int) -> Flow[float]:
    retry_after = error.retry_after if isinstance(error, errors.APIError) else None
    # A server that says "after 0 seconds" for ever must not be hammered for ever.
    return max(retry_after or 0.0, retry_policy.backoff(attempt, (yield from random_float())))
