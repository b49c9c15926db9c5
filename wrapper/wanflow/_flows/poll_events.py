"""The events of polls and waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from wanflow import errors
from wanflow._core.effects import read_clock
from wanflow._core.error_summary import summary
from wanflow._core.event_kinds import emit, kinds
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

    def duration(self) -> Flow[float]:
        """Return the seconds since the beginning."""
        now = (yield from read_clock()).monotonic
        return now - (now if self.start is None else self.start)


def with_events(
    flow: Flow[Snapshot], task_id: str, *, operation: str = "poll", number: int = 1
) -> Flow[Snapshot]:
    """Emit what came of a poll: each is one event."""
    start = (yield from read_clock()).monotonic
    try:
        found = yield from flow
    except errors.ConnectionFailed as error:
        yield from emit(
            kinds.TransportFailed,
            operation=operation,
            task_id=task_id,
            attempt=number,
            duration=(yield from read_clock()).monotonic - start,
            reason=summary(error.__cause__ or error),
        )
        raise
    except errors.APIError as error:
        yield from emit(
            kinds.PollFailed,
            operation=operation,
            task_id=task_id,
            number=number,
            duration=(yield from read_clock()).monotonic - start,
            http_status=error.status,
            error=type(error).__name__,
            code=error.code,
            retry_after=error.retry_after,
            request_id=error.request_id,
        )
        raise
    yield from emit(
        kinds.Polled,
        operation=operation,
        task_id=task_id,
        number=number,
        duration=(yield from read_clock()).monotonic - start,
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
    duration = yield from history.duration()
    if found.failure is None:
        yield from emit(
            kinds.Completed,
            operation="wait",
            task_id=found.id,
            polls=history.polls,
            duration=duration,
            links=len(found.urls),
            model=found.model,
            credits=credits_of(found.usage),
            request_id=found.request_id,
        )
    else:
        yield from emit(
            kinds.Failed,
            operation="wait",
            task_id=found.id,
            polls=history.polls,
            duration=duration,
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
    yield from emit(
        kinds.WaitTimedOut,
        operation="wait",
        task_id=task_id,
        polls=history.polls,
        duration=(yield from history.duration()),
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
            yield from emit(
                kinds.WaitFailed,
                operation="wait",
                task_id=task_id,
                polls=history.polls,
                duration=(yield from history.duration()),
                error=type(error).__name__,
                reason=summary(error),
            )
        case _:
            yield from wait_interrupted(task_id, history, type(error).__name__)


def wait_interrupted(task_id: str, history: PollHistory, error: str) -> Flow[None]:
    """Emit that something else than the task or the API ended a wait: the name of an exception."""
    yield from emit(
        kinds.Interrupted,
        operation="wait",
        task_id=task_id,
        error=error,
        duration=(yield from history.duration()),
    )
