"""The events of polls and waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from wanflow import errors
from wanflow._core.effects import ReadClock
from wanflow._core.error_summary import summary
from wanflow._core.event_kinds import emit, emit_timed, kinds, timed_event
from wanflow._core.snapshot import credits_of

if TYPE_CHECKING:
    from wanflow._core.effects import Flow
    from wanflow._core.snapshot import Snapshot


@define
class PollHistory:
    """What the polls of one wait have found: the last state, and how often links were missing.

    `start` is the time of its beginning in monotonic seconds, None before its first event; `polls`
    counts its polls.
    """

    state: tuple[str, int | None] | None = None
    without_links: int = 0
    polls: int = 0
    start: float | None = None

    @property
    def since(self) -> float:
        """The time of the beginning, once there was an event."""
        assert self.start is not None
        return self.start


def with_events(
    flow: Flow[Snapshot], task_id: str, *, operation: str = "poll", number: int = 1
) -> Flow[Snapshot]:
    """Emit what came of a poll: each is one event."""
    since: float = (yield ReadClock()).monotonic
    try:
        found = yield from flow
    except errors.ConnectionFailed as error:
        yield from emit_timed(
            kinds.TransportFailed,
            since,
            operation=operation,
            task_id=task_id,
            attempt=number,
            reason=summary(error.__cause__ or error),
        )
        raise
    except errors.APIError as error:
        yield from emit_timed(
            kinds.PollFailed,
            since,
            operation=operation,
            task_id=task_id,
            number=number,
            http_status=error.status,
            error=type(error).__name__,
            code=error.code,
            retry_after=error.retry_after,
            request_id=error.request_id,
        )
        raise
    yield timed_event(
        kinds.Polled,
        since,
        operation=operation,
        task_id=task_id,
        number=number,
        status=found.status,
        progress=found.progress,
        done=found.done,
        links=len(found.urls),
        request_id=found.request_id,
    )
    return found


def wait_started(task_id: str, history: PollHistory, timeout: float, now: float) -> Flow[None]:
    """Emit that a wait begins, at `now` in monotonic seconds."""
    history.start = now
    return emit(kinds.WaitStarted, operation="wait", task_id=task_id, timeout=timeout)


def state_changed(found: Snapshot, history: PollHistory) -> Flow[None]:
    """Emit what a poll changed: the end of the task, or its status or progress."""
    state = (found.status, found.progress)
    before, history.state = history.state, state
    if found.done:
        yield from _ended(found, history)
    elif state != before:
        yield from emit(
            kinds.StatusChanged,
            operation="wait",
            task_id=found.id,
            status=found.status,
            progress=found.progress,
        )


def _ended(found: Snapshot, history: PollHistory) -> Flow[None]:
    if found.failure is None:
        yield from emit_timed(
            kinds.Completed,
            history.since,
            operation="wait",
            task_id=found.id,
            polls=history.polls,
            links=len(found.urls),
            model=found.model,
            credits=credits_of(found.usage),
            request_id=found.request_id,
        )
    else:
        yield from emit_timed(
            kinds.Failed,
            history.since,
            operation="wait",
            task_id=found.id,
            polls=history.polls,
            code=found.failure.code,
            model=found.model,
            credits=credits_of(found.usage),
            request_id=found.request_id,
        )


def unknown_status(found: Snapshot) -> Flow[None]:
    """Emit that a status isn't in the spec."""
    end = "failed" if found.failure else "completed"
    return emit(
        kinds.UnknownStatus,
        operation="wait",
        task_id=found.id,
        status=found.status,
        counts_as=end if found.done else "running",
    )


def wait_timed_out(task_id: str, history: PollHistory, timeout: float) -> Flow[None]:
    """Emit that the time of a wait is up."""
    yield from emit_timed(
        kinds.WaitTimedOut,
        history.since,
        operation="wait",
        task_id=task_id,
        polls=history.polls,
        timeout=timeout,
    )


def wait_broken_off(task_id: str, history: PollHistory, error: BaseException) -> Flow[None]:
    """Emit that an error ended a wait; TaskFailed and WaitTimeout have events of their own."""
    if history.start is None:
        return
    match error:
        case errors.TaskFailed() | errors.WaitTimeout() | GeneratorExit():
            return
        case errors.WanflowError():
            yield from emit_timed(
                kinds.WaitFailed,
                history.since,
                operation="wait",
                task_id=task_id,
                polls=history.polls,
                error=type(error).__name__,
                reason=summary(error),
            )
        case _:
            yield from wait_interrupted(task_id, history, type(error).__name__)


def wait_interrupted(task_id: str, history: PollHistory, error: str) -> Flow[None]:
    """Emit that something else than the task or the API ended a wait: the name of an exception."""
    yield from emit_timed(
        kinds.Interrupted,
        history.since,
        operation="wait",
        task_id=task_id,
        error=error,
    )
