"""The events of a submission."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow import errors
from wanflow._core.error_summary import summary
from wanflow._core.event_kinds import emit, emit_timed, kinds
from wanflow._core.snapshot import Snapshot, credits_of

if TYPE_CHECKING:
    from wanflow._core.effects import Flow
    from wanflow._flows.attempt import Attempt
    from wanflow._flows.prepare import PreparedRequest


class SubmitEvents:
    """Emits the events of one submission. Times are in seconds of the monotonic clock."""

    __slots__ = ("_begun", "_count", "_key", "_model", "_output", "_prompt", "_start", "_state")

    def __init__(self, prepared: PreparedRequest) -> None:
        self._model, self._key = prepared.model, prepared.idempotency_key
        self._output, self._prompt = prepared.output, prepared.reported_prompt
        self._state = prepared.state
        self._start: float | None = None
        self._begun: float | None = None
        self._count = 0

    def started(self, now: float) -> Flow[None]:
        """Emit that it begins."""
        self._start = now
        return emit(
            kinds.SubmitStarted,
            operation="submit",
            model=self._model,
            idempotency_key=self._key,
            output=self._output,
            prompt=self._prompt,
        )

    def attempt_started(self, now: float) -> None:
        """Take note that an attempt is about to be made."""
        self._begun = now
        self._count += 1

    def attempt_ended(self, attempt: Attempt | None) -> Flow[None]:
        """Emit what came of the attempt, if that is known and wasn't emitted before."""
        begun, self._begun = self._begun, None
        if begun is None or attempt is None or attempt.outcome is None or _is_cancelled(attempt):
            return
        if isinstance(attempt.outcome, Snapshot):
            yield from self._accepted(attempt.outcome, begun, new=attempt.known is None)
        else:
            yield from self._not_accepted(attempt.outcome, begun)

    def _accepted(self, snapshot: Snapshot, begun: float, *, new: bool) -> Flow[None]:
        if not new:
            yield from emit(
                kinds.AlreadySubmitted,
                operation="submit",
                task_id=snapshot.id,
                model=self._model,
                idempotency_key=self._key,
            )
            return
        yield from emit_timed(
            kinds.Submitted,
            begun,
            operation="submit",
            task_id=snapshot.id,
            model=self._model,
            idempotency_key=self._key,
            attempt=self._count,
            status=snapshot.status or None,
            progress=snapshot.progress,
            credits=credits_of(snapshot.usage),
            request_id=snapshot.request_id,
        )

    def _not_accepted(self, outcome: errors.WanflowError, begun: float) -> Flow[None]:
        match outcome:
            case errors.SubmitUncertain():
                yield from emit_timed(
                    kinds.SubmissionUncertain,
                    begun,
                    operation="submit",
                    task_id=outcome.task_id,
                    model=self._model,
                    idempotency_key=self._key,
                    attempt=self._count,
                    reason=summary(outcome),
                    http_status=outcome.status,
                    request_id=outcome.request_id,
                )
            case errors.APIError():
                yield from emit_timed(
                    kinds.SubmissionRejected,
                    begun,
                    operation="submit",
                    model=self._model,
                    idempotency_key=self._key,
                    attempt=self._count,
                    http_status=outcome.status,
                    code=outcome.code,
                    retry_after=outcome.retry_after,
                    request_id=outcome.request_id,
                )
            case _:
                yield from emit_timed(
                    kinds.TransportFailed,
                    begun,
                    operation="submit",
                    attempt=self._count,
                    reason=summary(outcome),
                    idempotency_key=self._key,
                )

    def retry_scheduled(self, error: errors.WanflowError, delay: float) -> Flow[None]:
        """Emit that the submission is sent again."""
        return emit(
            kinds.RetryScheduled,
            operation="submit",
            attempt=self._count + 1,
            delay=delay,
            reason=summary(error),
            uncertain=isinstance(error, errors.SubmitUncertain),
            idempotency_key=self._key,
        )

    def broken_off(self, error: BaseException, attempt: Attempt | None) -> Flow[None]:
        """Emit that the submission ended without a task for its caller."""
        if self._start is None or isinstance(error, GeneratorExit):
            return
        yield from self.attempt_ended(attempt)
        if attempt is not None and isinstance(attempt.outcome, Snapshot):
            return  # Submitted was the end, whatever came after it
        task_id = self._state.task_id
        if isinstance(error, errors.WanflowError):
            yield from emit_timed(
                kinds.SubmitFailed,
                self._start,
                operation="submit",
                task_id=task_id,
                model=self._model,
                idempotency_key=self._key,
                error=type(error).__name__,
                reason=summary(error),
                uncertain=isinstance(error, errors.SubmitUncertain),
                attempts=self._count,
            )
        else:
            yield from emit_timed(
                kinds.Interrupted,
                self._start,
                operation="submit",
                task_id=task_id,
                error=type(error).__name__,
                idempotency_key=self._key,
                maybe_sent=self._state.maybe_accepted,
            )


def _is_cancelled(attempt: Attempt) -> bool:
    """Return whether an attempt was cancelled before it was sent: nothing happened."""
    outcome = attempt.outcome
    return isinstance(outcome, errors.ConnectionFailed) and outcome.__cause__ is None
