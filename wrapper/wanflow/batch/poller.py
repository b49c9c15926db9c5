"""The running tasks of a batch: one crowd of all, which gains tasks while it is waited for.

A wait of its own for each of ten thousand tasks would cost most of the time and the memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from wanflow._core.effects import random_float, read_clock
from wanflow._flows import poll_many
from wanflow._flows.poll import given_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow._core.effects import Finished, Flow, Notified
    from wanflow._core.rate_limiter import Turn
    from wanflow._core.snapshot import Snapshot
    from wanflow._flows.poll_many import PollEntry, PollOutcome, PollQueue
    from wanflow.batch.models import JobRun
    from wanflow.batch.steps import Steps

MAX_POLLS = 16
"""Looks under way at once; more would not make a loopback server faster."""
POLLS_WHEN_BUSY = 4
"""Looks under way at once while there is something to submit or to save, which comes first."""


@define(eq=False)
class BatchPoller:
    """Who is waited for. An item is in it from its submission until its task's end is known."""

    steps: Steps
    on_poll: Callable[[JobRun, Snapshot], None] = lambda _, __: None
    """Is given each item with what was seen of its task."""
    items: dict[int, JobRun] = field(factory=dict[int, "JobRun"])
    _queue: PollQueue | None = None
    _count: int = 0

    def __contains__(self, task_id: object) -> bool:
        return self._queue is not None and task_id in self._queue.waiting

    def __len__(self) -> int:
        return len(self.items)

    def add(self, item: JobRun, known: Snapshot | None) -> Flow[None]:
        """Wait for an item's task, of which the snapshot is known."""
        assert item.task_id is not None
        question = self.steps.operations.poll_target(item.task_id, known)
        if self._queue is None:
            self._queue = poll_many.PollQueue(question.budget)
        self._count += 1
        self.items[self._count] = item
        instant, chance = (yield from read_clock()), (yield from random_float())
        self._queue.add(self._count, question, instant, self.steps.options.timeout, chance)

    def start_due_polls(self, *, busy: bool) -> Flow[None]:
        """Begin the looks that are due, few where there is something better to do."""
        if self._queue is not None and self.items:
            ticks = (yield from read_clock()).monotonic
            yield from poll_many.start_due_polls(
                self._queue, ticks, POLLS_WHEN_BUSY if busy else MAX_POLLS
            )

    def time_until_next(self, now: float) -> float | None:
        """Return the seconds until a look can be begun, None where none is expected."""
        if self._queue is None or self._queue.in_flight >= POLLS_WHEN_BUSY:
            return None
        return poll_many.time_until_next(self._queue, now)

    @property
    def turn(self) -> Turn | None:
        """The place that is kept for the next look."""
        return None if self._queue is None else self._queue.turn

    def handle_event(
        self, event: Finished | Notified | None
    ) -> Flow[tuple[JobRun, PollOutcome] | None]:
        """Take in what happened → the item whose wait ended by it, and how."""
        if self._queue is None:
            return None
        ticks = (yield from read_clock()).monotonic
        one = self._entry_of(event)
        ended = yield from poll_many.handle_event(self._queue, event, ticks, None)
        if ended:
            return self.items.pop(ended[0][0].index), ended[0][1]
        if one is not None:
            if one.seen is not None:
                self.steps.record_poll(one.seen)
                self.on_poll(self.items[one.index], one.seen)
            if ticks >= one.deadline:
                return self._time_out(one)
        return None

    def stop(self) -> list[JobRun]:
        """Wait for nobody any more → who was waited for; their tasks go on."""
        left, self.items = list(self.items.values()), {}
        if self._queue is not None:
            self._queue.rest()
        self._queue = None
        for item in left:
            self.steps.release(item)
        return left

    def _entry_of(self, event: Finished | Notified | None) -> PollEntry | None:
        key = getattr(event, "key", None)
        return key if isinstance(key, poll_many.PollEntry) else None

    def _time_out(self, entry: PollEntry) -> tuple[JobRun, PollOutcome]:
        assert self._queue is not None
        self._queue.remove(entry)
        timeout = self.steps.options.timeout
        error = given_up(entry.question.task_id, timeout, entry.seen, entry.fault)
        return self.items.pop(entry.index), error
