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
    """One task of the crowd. `due` is the tick of its next look, None while one is under way.

    None is begun after `deadline`.
    """

    index: int
    target: PollTarget
    poll_schedule: PollSchedule
    deadline: float
    due: float | None = None
    last_snapshot: Snapshot | None = None
    last_error: str | None = None


@define(eq=False)
class PollQueue:
    """The tasks that have not ended, by id, and the order of their turns.

    An entry of the heap whose moment isn't its task's `due` any more is stale.
    """

    limiter: PollRateLimiter
    poll_factor: PollFactor = no_slowdown
    waiting: dict[str, list[PollEntry]] = field(factory=dict[str, "list[PollEntry]"])
    heap: list[tuple[float, int, PollEntry]] = field(factory=list["tuple[float, int, PollEntry]"])
    in_flight: int = 0
    turn: Turn | None = None

    def add(
        self, index: int, target: PollTarget, instant: TimePoint, timeout: float, chance: float
    ) -> PollEntry:
        """Take a task in, to be looked at for `timeout` seconds at most."""
        track = target.schedule(instant)
        one = PollEntry(index, target, track, instant.monotonic + timeout)
        self.waiting.setdefault(target.task_id, []).append(one)
        self.schedule(one, instant.monotonic + target.first_delay(instant, track, chance))
        return one

    def schedule(self, one: PollEntry, due: float) -> None:
        """Give a task its next turn."""
        one.due = min(due, one.deadline)
        heapq.heappush(self.heap, (one.due, one.index, one))

    def next_due(self) -> float | None:
        """Return when the next look is due; stale entries are dropped."""
        while self.heap and self.heap[0][2].due != self.heap[0][0]:
            heapq.heappop(self.heap)
        return self.heap[0][0] if self.heap else None

    def try_start(self, ticks: float, due: float) -> Flow[bool]:
        """Tell whether the budget lets a look begin that is due; if not, keep a place for it."""
        if self.turn is None:
            self.turn = Turn(due)
        if (yield from with_lock(partial(self.limiter.try_acquire, self.turn, ticks))) is not None:
            return False
        self.turn = None
        return True

    def release_turn(self) -> None:
        """Keep no place for a look."""
        self.limiter.cancel(self.turn)
        self.turn = None

    def remove(self, one: PollEntry) -> None:
        """Take an ended task out."""
        one.due = None
        twins = self.waiting[one.target.task_id]
        twins.remove(one)
        if not twins:
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
    """Look at tasks until all have ended, at most `timeout` seconds, `at_once` looks at a time.

    `stretch` says by what a task's intervals may be longer.
    `ended` is a flow that is told of each end, by the task's place in `questions`: its last
    snapshot, or the error for it (TaskFailed, WaitTimeout, a refused question). No look is
    under way while it runs.
    """
    if not targets:
        return
    start = yield from read_clock()
    crowd = PollQueue(targets[0].limiter, poll_factor)
    for index, question in enumerate(targets):
        crowd.add(index, question, start, timeout, (yield from random_float()))
    with tasks_context(crowd.waiting):
        last = start.monotonic + timeout
        try:
            yield from _until_all_ended(
                crowd, last, timeout, max_concurrent_polls, on_update, on_outcome
            )
        finally:
            crowd.release_turn()


def _until_all_ended(
    crowd: PollQueue,
    deadline: float,
    timeout: float,
    at_once: int,
    on_update: OnUpdate,
    ended: OnOutcome,
) -> Flow[None]:
    news: list[tuple[PollEntry, PollOutcome]] = []
    last = False
    while crowd.waiting or news:
        ticks = (yield from read_clock()).monotonic
        over = ticks >= deadline
        if not news and not last:
            yield from start_due_polls(crowd, ticks, at_once)
            last = over
        if crowd.in_flight or not (news or over):
            event = yield from wait_next(
                _patience(crowd, ticks, deadline), crowd.waiting, crowd.turn
            )
            news += yield from handle_event(crowd, event, ticks, on_update)
            continue
        if over:
            news += _given_up(crowd, timeout)
        for one, outcome in news:
            yield from ended(one.index, outcome)
        news = []


def yield_outcome(ended: int, outcome: PollOutcome) -> Flow[None]:
    """Yield an outcome to the caller that iterates."""
    yield Yield((ended, outcome))


def start_due_polls(crowd: PollQueue, ticks: float, at_once: int) -> Flow[None]:
    """Begin the looks that are due and that the budget lets through, up to `at_once` of them."""
    while crowd.in_flight < at_once:
        due = crowd.next_due()
        if due is None or due > ticks:
            crowd.release_turn()
            return
        one = crowd.heap[0][2]
        if ticks < one.deadline and not (yield from crowd.try_start(ticks, due)):
            return
        heapq.heappop(crowd.heap)
        one.due = None
        yield Spawn(one, poll_once(one.target, one.deadline - ticks))
        crowd.in_flight += 1


def handle_event(
    crowd: PollQueue, event: Finished | Notified | None, ticks: float, on_update: OnUpdate
) -> Flow[list[tuple[PollEntry, PollOutcome]]]:
    """Take in what happened → the tasks that ended by it."""
    match event:
        case Finished(PollEntry() as one, value, error):
            crowd.in_flight -= 1
            with task_context(one.target.task_id):
                return (yield from _looked(crowd, one, value, error, on_update))
        case Notified(topic):
            for one in crowd.waiting.get(topic, ()):
                if one.due is not None:
                    crowd.schedule(one, ticks)
        case _:
            pass
    return []


def time_until_next(crowd: PollQueue, ticks: float) -> float | None:
    """Return the seconds until a look can be begun, None where none is expected."""
    due = crowd.next_due()
    if due is None:
        return None
    delay = 0.0 if crowd.turn is None else crowd.limiter.delay(crowd.turn, ticks)
    return max(due - ticks, delay, 0.0)


def _patience(crowd: PollQueue, ticks: float, deadline: float) -> float | None:
    left = time_until_next(crowd, ticks)
    if left is None or ticks >= deadline:
        return None
    # With a look under way and others due, its end is what is waited for.
    left = min(left, deadline - ticks)
    return None if left <= 0 and crowd.in_flight else left


def _looked(
    crowd: PollQueue,
    one: PollEntry,
    value: PollResult | None,
    error: BaseException | None,
    on_update: OnUpdate,
) -> Flow[list[tuple[PollEntry, PollOutcome]]]:
    if isinstance(error, errors.WanflowError):
        crowd.remove(one)
        return [(one, error)]
    if error is not None:
        raise error
    assert value is not None
    instant = yield from read_clock()
    value = value.at_time(instant.monotonic, one.deadline)
    found, one.last_error = value.snapshot, value.error
    ticks, one.poll_schedule = instant.monotonic, one.poll_schedule.updated(instant, found)
    if found is not None:
        yield from notify_update(one.target, on_update, found)
        one.last_snapshot = found
        if found.done:
            crowd.remove(one)
            return [(one, found if found.succeeded else task_failed(found))]
    left = one.deadline - ticks
    if left > 0:  # else this poll was the last
        wanted = one.poll_schedule.next_delay(ticks, (yield from random_float()))
        wanted = poll_schedule.slowed(wanted, crowd.poll_factor(one.target.task_id))
        crowd.schedule(one, ticks + poll_schedule.delay_within(wanted, value.retry_after, left))
    return []


def _given_up(crowd: PollQueue, timeout: float) -> list[tuple[PollEntry, PollOutcome]]:
    left = [one for twins in crowd.waiting.values() for one in twins]
    for one in left:
        crowd.remove(one)
    return [
        (one, wait_timed_out(one.target.task_id, timeout, one.last_snapshot, one.last_error))
        for one in left
    ]
