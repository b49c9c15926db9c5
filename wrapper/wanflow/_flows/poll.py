"""Poll a task, once or until it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from attrs import evolve, field, frozen

from wanflow import errors
from wanflow._core import error_mapping, poll_schedule
from wanflow._core.effects import (
    InvokeCallback,
    TransportError,
    Yield,
    random_float,
    read_clock,
    run_blocking,
    sleep,
    with_lock,
)
from wanflow._core.error_summary import summary
from wanflow._core.event_kinds import emit, kinds
from wanflow._core.failure_codes import task_failed
from wanflow._core.poll_schedule import WORTH, PollSchedule
from wanflow._core.rate_limiter import bounded_pause
from wanflow._core.snapshot import Snapshot, parse_snapshot
from wanflow._flows import poll_events
from wanflow._flows.error_context import task_context
from wanflow._flows.poll_events import PollHistory
from wanflow._flows.throttle import acquire_slot, slow_down, warn_of_long_pause

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow._core.effects import Flow, Request, Response, TimePoint
    from wanflow._core.rate_limiter import PollRateLimiter

    OnUpdate: TypeAlias = Callable[[Snapshot], object] | None

# These end a wait: what they say of the key, the account or the id will not change by itself.
FATAL_STATUSES = frozenset({400, 401, 402, 403, 404})
_TOO_MANY = 429
# Seconds that a poll is given at least: the last one of a wait begins when its time is up.
_SHORTEST_POLL = 1.0
_NOT_FOUND = 404
# For so many seconds after its submission a task may be unknown to the server that is asked.
_LAG = 60.0
# So often a completed task without links is asked again, after the pauses that follow an error.
_ASKED_AGAIN = 3


@frozen
class PollTarget:
    """A task to be polled: the request that does it, and what is known of the task so far.

    `created_at` is in unix seconds, `estimate` in seconds from the submission; both come with the
    response to the submission, which counts as a poll. `submitted_at` is the same as `created_at`
    by this machine's clock, and `read_submitted_at` reads it where it isn't known; that may block.
    """

    task_id: str
    request: Request
    limiter: PollRateLimiter
    created_at: float | None = None
    estimate: float | None = None
    unknown_statuses: set[str] = field(factory=set[str], repr=False)
    """Statuses that the documents don't have, and that were reported already."""
    submitted_at: float | None = None
    read_submitted_at: Callable[[], float | None] | None = field(default=None, repr=False)
    observed: bool = True
    """Whether polls emit events: without a consumer, they cost nothing."""
    history: PollHistory = field(factory=PollHistory, repr=False)
    worth: float = WORTH
    """What a second of lateness is worth, in polls."""

    def schedule(self, instant: TimePoint) -> PollSchedule:
        """Begin to follow the task."""
        schedule = PollSchedule(instant.monotonic, estimate=self.estimate, worth=self.worth)
        return schedule.with_submission_time(instant, self.created_at)

    def first_delay(self, instant: TimePoint, track: PollSchedule, jitter: float) -> float:
        """Return the seconds until the first poll: 0 where the age of the task isn't known."""
        known = self.created_at is not None and track.submitted_at < instant.monotonic
        return track.first_delay(instant.monotonic, jitter) if known else 0.0


@frozen
class PollResult:
    """The result of a poll: the task, or the error instead, and the pause that was asked for.

    `without_links` is a completed task whose links may still come.
    """

    snapshot: Snapshot | None
    retry_after: float | None = None
    error: str | None = None
    without_links: Snapshot | None = None

    def at_time(self, ticks: float, deadline: float) -> PollResult:
        """Return the result as it counts: after the deadline, missing links aren't waited for."""
        return (
            self
            if self.without_links is None or ticks < deadline
            else PollResult(self.without_links)
        )


def fetch_status(request: Request, task_id: str, timeout: float | None = None) -> Flow[Snapshot]:
    """Poll a task once, within `timeout` seconds where that is less than the client's own.

    Raises:
        ConnectionFailed: no response came.
        APIError: the API responded with an error, or with something that is no task.
    """
    try:
        reply: Response = yield evolve(request, timeout=timeout)
    except TransportError as fault:
        message = f"no answer about task {task_id}: {fault.reason} ({request.describe()})"
        raise errors.ConnectionFailed(message, task_id=task_id) from fault
    if reply.status != 200:  # noqa: PLR2004
        unix = (yield from read_clock()).wall
        raise error_mapping.api_error(reply, request, now=unix, task_id=task_id)
    try:
        return parse_snapshot(reply.content, task_id, reply.headers)
    except ValueError as error:
        raise error_mapping.unreadable_response(
            reply, request, str(error), task_id=task_id
        ) from error


def poll_until_done(question: PollTarget, *, timeout: float, on_update: OnUpdate) -> Flow[Snapshot]:
    """Poll a task until it is done, at most `timeout` seconds; transient errors don't end the wait.

    Every exception it raises, KeyboardInterrupt included, has a `task_id`.

    Raises:
        TaskFailed: the task ended without a result.
        WaitTimeout: the task isn't done after `timeout` seconds. It is still running.
        APIError: the API rejected the status request (400 to 404).
    """
    try:
        with task_context(question.task_id):
            start = yield from read_clock()
            yield from poll_events.wait_started(
                question.task_id, question.history, timeout, start.monotonic
            )
            return (yield from _until_done(question, start, timeout, on_update))
    except BaseException as error:
        yield from poll_events.wait_broken_off(question.task_id, question.history, error)
        raise


def _until_done(
    question: PollTarget, start: TimePoint, timeout: float, on_update: OnUpdate
) -> Flow[Snapshot]:
    deadline, track = start.monotonic + timeout, question.schedule(start)
    seen: Snapshot | None = None
    first = question.first_delay(start, track, (yield from random_float()))
    if first > 0:
        yield from sleep(min(first, timeout), question.task_id)
    while True:
        left = deadline - (yield from acquire_slot(question.limiter, deadline))
        last = yield from poll_once(question, left)
        instant = yield from read_clock()
        last = last.at_time(instant.monotonic, deadline)
        found = last.snapshot
        if found is not None:
            yield from notify_update(question, on_update, found)
            instant = instant if on_update is None else (yield from read_clock())
        seen, track = found or seen, track.updated(instant, found)
        if found is not None and found.done:
            return require_success(found)
        left = deadline - instant.monotonic
        if left <= 0:
            raise (yield from wait_timed_out(question, timeout, seen, last.error))
        wanted = track.next_delay(instant.monotonic, (yield from random_float()))
        yield from sleep(
            poll_schedule.delay_within(wanted, last.retry_after, left), question.task_id
        )


def iter_snapshots(flow_of: Callable[[OnUpdate], Flow[Snapshot]]) -> Flow[None]:
    """Yield each snapshot of a wait, the last one included; a failed task raises nothing here.

    `flow_of` makes the wait for a callback.
    """

    def emitted(_: Snapshot) -> None:
        """Mark the effects that are for the caller that iterates."""

    flow = flow_of(emitted)
    try:
        effect = next(flow)
        while True:
            if isinstance(effect, InvokeCallback) and effect.callback is emitted:
                effect = Yield(effect.value)
            try:
                outcome = yield effect
            except GeneratorExit:
                raise
            except BaseException as error:
                effect = flow.throw(error)
            else:
                effect = flow.send(outcome)
    except (StopIteration, errors.TaskFailed):
        return
    finally:
        flow.close()


def poll_once(question: PollTarget, left: float) -> Flow[PollResult]:
    """Poll once; a transient error is part of the result. `left` is in seconds.

    Raises:
        APIError: the API rejected the status request (400 to 404).
    """
    budget, history = question.limiter, question.history
    history.polls += 1
    budget.start_poll()
    try:
        found = yield from _fetch(question, max(left, _SHORTEST_POLL))
    except errors.APIError as error:
        fatal = error.status in FATAL_STATUSES or isinstance(error, errors.WrongBaseURL)
        if fatal and not (yield from _lags(question, error)):
            raise
        return PollResult(None, (yield from _pause(question, error)), str(error))
    except errors.ConnectionFailed as error:
        yield from _tolerate(question, error, None)
        return PollResult(None, None, str(error))
    finally:
        budget.finish_poll()
    yield from with_lock(budget.on_success)
    if found.succeeded and not found.urls and history.without_links < _ASKED_AGAIN:
        history.without_links += 1
        yield from emit(kinds.LinksMissing, operation="wait", task_id=found.id, status=found.status)
        return PollResult(None, None, f"task {found.id} is {found.status}, without links", found)
    return PollResult(found)


def _fetch(question: PollTarget, timeout: float) -> Flow[Snapshot]:
    flow = fetch_status(question.request, question.task_id, timeout)
    if not question.observed:
        return flow
    number = question.history.polls
    return poll_events.with_events(flow, question.task_id, operation="wait", number=number)


def _lags(question: PollTarget, error: errors.APIError) -> Flow[bool]:
    """Return whether a task is unknown because it was submitted just now."""
    if error.status != _NOT_FOUND:
        return False
    unix = (yield from read_clock()).wall
    times = [question.submitted_at, question.created_at]
    if question.submitted_at is None and question.read_submitted_at is not None:
        times.append((yield from run_blocking(question.read_submitted_at)))
    return any(time is not None and abs(unix - time) < _LAG for time in times)


def _pause(question: PollTarget, error: errors.APIError) -> Flow[float | None]:
    """Emit an error that a wait survives → the seconds that it asks for, as far as it gets them."""
    asked = error.retry_after
    pause = None if asked is None else bounded_pause(asked)
    yield from _tolerate(question, error, pause)
    if error.status == _TOO_MANY:
        yield from slow_down(question.limiter, asked, "wait", question.task_id)
    else:
        yield from warn_of_long_pause(question.limiter, asked, "wait", question.task_id)
    return pause


def _tolerate(question: PollTarget, error: errors.WanflowError, pause: float | None) -> Flow[None]:
    return emit(
        kinds.RetryScheduled,
        operation="wait",
        task_id=question.task_id,
        attempt=question.history.polls + 1,
        delay=pause,
        reason=summary(error),
    )


def notify_update(question: PollTarget, on_update: OnUpdate, found: Snapshot) -> Flow[None]:
    """Emit what a snapshot changed, and pass it to the user's callback."""
    if not found.has_known_status and found.status not in question.unknown_statuses:
        question.unknown_statuses.add(found.status)
        yield from poll_events.unknown_status(found)
    yield from poll_events.state_changed(found, question.history)
    if on_update is not None:
        yield InvokeCallback(on_update, found)


def require_success(snapshot: Snapshot) -> Snapshot:
    """Return an ended task that has a result.

    Raises:
        TaskFailed: it has none.
    """
    if snapshot.succeeded:
        return snapshot
    raise task_failed(snapshot)


def wait_timed_out(
    question: PollTarget, timeout: float, seen: Snapshot | None, fault: str | None
) -> Flow[errors.WaitTimeout]:
    """Emit that a wait's time is up, and make the error for it."""
    yield from poll_events.wait_timed_out(question.task_id, question.history, timeout)
    return timeout_error(question.task_id, timeout, seen, fault)


def timeout_error(
    task_id: str, timeout: float, seen: Snapshot | None, fault: str | None = None
) -> errors.WaitTimeout:
    """Make the error for a wait whose time is up; `fault` is the error of its last poll."""
    state = f"last seen {seen.status or 'without a status'}" if seen else "never seen"
    if fault is not None:
        state += f"; the last poll: {fault}"
    return errors.WaitTimeout(
        f"task {task_id} had not ended after {timeout:g} s ({state}). It goes on: "
        f"client.task({task_id!r}).wait() takes it up again",
        snapshot=seen,
        last_error=fault,
        task_id=task_id,
    )
