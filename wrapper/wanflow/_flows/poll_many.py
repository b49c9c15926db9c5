"""Poll many tasks concurrently: a heap ordered by the time of the next poll, and a bounded number
of polls in flight.
"""

from __future__ import annotations

import heapq
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from attrs import define, field

from wanflow import errors
from wanflow._core import poll_schedule
from wanflow._core.callbacks import no_slowdown
from wanflow._core.effects import (
    Finish,
    Finished,
    Notified,
    Spawn,
    Yield,
    random_float,
    read_clock,
    wait_next,
    with_lock,
)
from wanflow._core.failure_codes import task_failed
from wanflow._core.rate_limiter import Turn
from wanflow._flows import poll_events
from wanflow._flows.error_context import task_context, tasks_context
from wanflow._flows.poll import notify_update, poll_once, wait_timed_out

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wanflow._core.callbacks import PollFactor
    from wanflow._core.effects import Flow, TimePoint
    from wanflow._core.poll_schedule import PollSchedule
    from wanflow._core.rate_limiter import PollRateLimiter
    from wanflow._core.snapshot import Snapshot
    from wanflow._flows.poll import OnUpdate, PollResult, PollTarget

    PollOutcome: TypeAlias = Snapshot | errors.WanflowError
    OnOutcome: TypeAlias = Callable[[int, PollOutcome], Flow[None]]


@define(eq=False)
class PollEntry:
    """One task of the queue. `due` is the time of its next poll, None while one is in flight.

    `notified` says that the task was notified meanwhile: that poll may have come too early.
    No poll starts after `deadline`. Times are in seconds of the monotonic clock.
    """

    index: int
    target: PollTarget
    poll_schedule: PollSchedule
    deadline: float
    due: float | None = None
    notified: bool = False
    last_snapshot: Snapshot | None = None
    last_error: str | None = None


@define(eq=False)
class PollQueue:
    """The tasks that have not ended, by id, and the order of their polls.

    An entry of the heap whose time isn't its task's `due` any more is stale.
    """

    limiter: PollRateLimiter
    poll_factor: PollFactor = no_slowdown
    waiting: dict[str, list[PollEntry]] = field(factory=dict[str, "list[PollEntry]"])
    heap: list[tuple[float, int, PollEntry]] = field(factory=list["tuple[float, int, PollEntry]"])
    in_flight: int = 0
    turn: Turn | None = None

    def add(
        self, index: int, target: PollTarget, instant: TimePoint, timeout: float, jitter: float
    ) -> PollEntry:
        """Add a task, to be polled for `timeout` seconds at most."""
        track = target.schedule(instant)
        one = PollEntry(index, target, track, instant.monotonic + timeout)
        self.waiting.setdefault(target.task_id, []).append(one)
        self.schedule(one, instant.monotonic + target.first_delay(instant, track, jitter))
        return one

    def schedule(self, one: PollEntry, due: float) -> None:
        """Set the time of a task's next poll."""
        one.due = min(due, one.deadline)
        heapq.heappush(self.heap, (one.due, one.index, one))

    def next_due(self) -> float | None:
        """Return when the next poll is due; stale entries are dropped."""
        while self.heap and self.heap[0][2].due != self.heap[0][0]:
            heapq.heappop(self.heap)
        return self.heap[0][0] if self.heap else None

    def try_start(self, now: float, due: float) -> Flow[bool]:
        """Return whether the rate limit lets a due poll start; if not, reserve a turn for it."""
        if self.turn is None:
            self.turn = Turn(due)
        if (yield from with_lock(partial(self.limiter.try_acquire, self.turn, now))) is not None:
            return False
        self.turn = None
        return True

    def release_turn(self) -> None:
        """Give up the reserved turn, if there is one."""
        self.limiter.cancel(self.turn)
        self.turn = None

    def break_off(self, error: str) -> Flow[None]:
        """End the polls in flight, then emit that all waits ended: no event of a wait follows."""
        try:
            yield Finish()
        except GeneratorExit:
            raise
        except BaseException:
            yield from self.interrupt(error)
            raise
        yield from self.interrupt(error)

    def interrupt(self, error: str) -> Flow[None]:
        """Emit that something, such as an exception of this name, ended all waits."""
        for one in [one for duplicates in self.waiting.values() for one in duplicates]:
            yield from poll_events.wait_interrupted(one.target.task_id, one.target.history, error)

    def remove(self, one: PollEntry) -> None:
        """Remove a task that ended."""
        one.due = None
        duplicates = self.waiting[one.target.task_id]
        duplicates.remove(one)
        if not duplicates:
            del self.waiting[one.target.task_id]


def poll_many(
    targets: Sequence[PollTarget],
    *,
    timeout: float,
    max_concurrent_polls: int,
    on_update: OnUpdate,
    on_outcome: OnOutcome,
    poll_factor: PollFactor = no_slowdown,
) -> Flow[None]:
    """Poll tasks until all have ended, at most `timeout` seconds.

    At most `max_concurrent_polls` polls are in flight. `poll_factor` returns the factor by which a
    task's intervals may be longer. `on_outcome` is a flow that gets the index of each ended task in
    `targets`, and its last snapshot or its error (TaskFailed, WaitTimeout, a rejected status
    request). No poll is in flight while it runs.
    """
    if not targets:
        return
    start = yield from read_clock()
    queue = PollQueue(targets[0].limiter, poll_factor)
    for index, target in enumerate(targets):
        queue.add(index, target, start, timeout, (yield from random_float()))
        yield from poll_events.wait_started(
            target.task_id, target.history, timeout, start.monotonic
        )
    with tasks_context(queue.waiting):
        last = start.monotonic + timeout
        try:
            yield from _until_all_ended(
                queue, last, timeout, max_concurrent_polls, on_update, on_outcome
            )
        except GeneratorExit:
            raise
        except BaseException as error:
            yield from queue.break_off(type(error).__name__)
            raise
        finally:
            queue.release_turn()


def _until_all_ended(
    queue: PollQueue,
    deadline: float,
    timeout: float,
    max_polls: int,
    on_update: OnUpdate,
    on_outcome: OnOutcome,
) -> Flow[None]:
    outcomes: list[tuple[PollEntry, PollOutcome]] = []
    last = False
    while queue.waiting or outcomes:
        now = (yield from read_clock()).monotonic
        over = now >= deadline
        if not outcomes and not last:
            yield from start_due_polls(queue, now, max_polls)
            last = over
        if queue.in_flight or not (outcomes or over):
            event = yield from wait_next(
                _event_timeout(queue, now, deadline), queue.waiting, queue.turn
            )
            outcomes += yield from handle_event(queue, event, on_update)
            continue
        if over:
            outcomes += yield from _time_out_all(queue, timeout)
        for one, outcome in outcomes:
            yield from on_outcome(one.index, outcome)
        outcomes = []


def yield_outcome(ended: int, outcome: PollOutcome) -> Flow[None]:
    """Yield an outcome to the caller that iterates."""
    yield Yield((ended, outcome))


def start_due_polls(queue: PollQueue, now: float, max_polls: int) -> Flow[None]:
    """Start the due polls that the rate limit allows; at most `max_polls` are in flight."""
    while queue.in_flight < max_polls:
        due = queue.next_due()
        if due is None or due > now:
            queue.release_turn()
            return
        one = queue.heap[0][2]
        if now < one.deadline and not (yield from queue.try_start(now, due)):
            return
        heapq.heappop(queue.heap)
        one.due = None
        yield Spawn(one, poll_once(one.target, one.deadline - now))
        queue.in_flight += 1


def handle_event(
    queue: PollQueue, event: Finished | Notified | None, on_update: OnUpdate
) -> Flow[list[tuple[PollEntry, PollOutcome]]]:
    """Handle an event → the tasks that ended by it."""
    match event:
        case Finished(PollEntry() as one, value, error):
            queue.in_flight -= 1
            with task_context(one.target.task_id):
                return (yield from _handle_poll_end(queue, one, value, error, on_update))
        case Notified(topic):
            now = (yield from read_clock()).monotonic
            for one in queue.waiting.get(topic, ()):
                if one.due is None:
                    one.notified = True
                else:
                    queue.schedule(one, now)
        case _:
            pass
    return []


def time_until_next(queue: PollQueue, now: float) -> float | None:
    """Return the seconds until a poll can start, None where none is expected."""
    due = queue.next_due()
    if due is None:
        return None
    delay = 0.0 if queue.turn is None else queue.limiter.delay(queue.turn, now)
    return max(due - now, delay, 0.0)


def _event_timeout(queue: PollQueue, now: float, deadline: float) -> float | None:
    left = time_until_next(queue, now)
    if left is None or now >= deadline:
        return None
    # With a poll in flight and others due, wait for its end.
    left = min(left, deadline - now)
    return None if left <= 0 and queue.in_flight else left


def _handle_poll_end(
    queue: PollQueue,
    one: PollEntry,
    value: PollResult | None,
    error: BaseException | None,
    on_update: OnUpdate,
) -> Flow[list[tuple[PollEntry, PollOutcome]]]:
    if isinstance(error, errors.WanflowError):
        queue.remove(one)
        yield from poll_events.wait_broken_off(one.target.task_id, one.target.history, error)
        return [(one, error)]
    if error is not None:
        raise error
    assert value is not None
    instant = yield from read_clock()
    value = value.at_time(instant.monotonic, one.deadline)
    found, one.last_error = value.snapshot, value.error
    now, one.poll_schedule = instant.monotonic, one.poll_schedule.updated(instant, found)
    if found is not None:
        yield from notify_update(one.target, on_update, found)
        one.last_snapshot = found
        if found.done:
            queue.remove(one)
            return [(one, found if found.succeeded else task_failed(found))]
    left = one.deadline - now
    if left > 0:  # else this poll was the last
        wanted = one.poll_schedule.next_delay(now, (yield from random_float()))
        wanted = poll_schedule.slowed(wanted, queue.poll_factor(one.target.task_id))
        delay = poll_schedule.delay_within(wanted, value.retry_after, left)
        queue.schedule(one, now if one.notified else now + delay)
        one.notified = False
    return []


def _time_out_all(queue: PollQueue, timeout: float) -> Flow[list[tuple[PollEntry, PollOutcome]]]:
    outcomes: list[tuple[PollEntry, PollOutcome]] = []
    for one in [one for duplicates in queue.waiting.values() for one in duplicates]:
        queue.remove(one)
        error = yield from wait_timed_out(one.target, timeout, one.last_snapshot, one.last_error)
        outcomes.append((one, error))
    return outcomes
