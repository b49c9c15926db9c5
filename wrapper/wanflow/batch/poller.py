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
    on_seen: Callable[[JobRun, Snapshot], None] = lambda _, __: None
    """Is given each item with what was seen of its task."""
    items: dict[int, JobRun] = field(factory=dict[int, "JobRun"])
    _crowd: PollQueue | None = None
    _count: int = 0

    def __contains__(self, task_id: object) -> bool:
        return self._crowd is not None and task_id in self._crowd.waiting

    def __len__(self) -> int:
        return len(self.items)

    def add(self, item: JobRun, known: Snapshot | None) -> Flow[None]:
        """Wait for an item's task, of which the snapshot is known."""
        assert item.task_id is not None
        question = self.steps.work.poll_target(item.task_id, known)
        if self._crowd is None:
            self._crowd = poll_many.PollQueue(question.budget)
        self._count += 1
        self.items[self._count] = item
        instant, chance = (yield from read_clock()), (yield from random_float())
        self._crowd.add(self._count, question, instant, self.steps.terms.timeout, chance)

    def begin(self, *, busy: bool) -> Flow[None]:
        """Begin the looks that are due, few where there is something better to do."""
        if self._crowd is not None and self.items:
            ticks = (yield from read_clock()).monotonic
            yield from poll_many.start_due_polls(
                self._crowd, ticks, POLLS_WHEN_BUSY if busy else MAX_POLLS
            )

    def patience(self, ticks: float) -> float | None:
        """Return the seconds until a look can be begun, None where none is expected."""
        if self._crowd is None or self._crowd.in_flight >= POLLS_WHEN_BUSY:
            return None
        return poll_many.time_until_next(self._crowd, ticks)

    @property
    def turn(self) -> Turn | None:
        """The place that is kept for the next look."""
        return None if self._crowd is None else self._crowd.turn

    def take_in(self, event: Finished | Notified | None) -> Flow[tuple[JobRun, PollOutcome] | None]:
        """Take in what happened → the item whose wait ended by it, and how."""
        if self._crowd is None:
            return None
        ticks = (yield from read_clock()).monotonic
        one = self._waiting_of(event)
        ended = yield from poll_many.handle_event(self._crowd, event, ticks, None)
        if ended:
            return self.items.pop(ended[0][0].index), ended[0][1]
        if one is not None:
            if one.seen is not None:
                self.steps.seen(one.seen)
                self.on_seen(self.items[one.index], one.seen)
            if ticks >= one.deadline:
                return self._give_up(one)
        return None

    def leave(self) -> list[JobRun]:
        """Wait for nobody any more → who was waited for; their tasks go on."""
        left, self.items = list(self.items.values()), {}
        if self._crowd is not None:
            self._crowd.rest()
        self._crowd = None
        for item in left:
            self.steps.release(item)
        return left

    def _waiting_of(self, event: Finished | Notified | None) -> PollEntry | None:
        key = getattr(event, "key", None)
        return key if isinstance(key, poll_many.PollEntry) else None

    def _give_up(self, one: PollEntry) -> tuple[JobRun, PollOutcome]:
        assert self._crowd is not None
        self._crowd.remove(one)
        timeout = self.steps.terms.timeout
        error = given_up(one.question.task_id, timeout, one.seen, one.fault)
        return self.items.pop(one.index), error
