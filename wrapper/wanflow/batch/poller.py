"""The running tasks of a batch: one crowd of all, which gains tasks while it is waited for.

A wait of its own for each of ten thousand tasks would cost most of the time and the memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from wanflow._core.effects import draw, now
from wanflow._flows import poll_many
from wanflow._flows.poll import given_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow._core.effects import Done, Flow, Rung
    from wanflow._core.rate_limiter import Turn
    from wanflow._core.snapshot import Snapshot
    from wanflow._flows.poll_many import Crowd, Outcome, Waiting
    from wanflow.batch.models import Item
    from wanflow.batch.steps import Steps

LOOKS = 16
"""Looks under way at once; more would not make a loopback server faster."""
_BESIDE = 4
"""Looks under way at once while there is something to submit or to save, which comes first."""


@define(eq=False)
class Watch:
    """Who is waited for. An item is in it from its submission until its task's end is known."""

    steps: Steps
    on_seen: Callable[[Item, Snapshot], None] = lambda _, __: None
    """Is given each item with what was seen of its task."""
    items: dict[int, Item] = field(factory=dict[int, "Item"])
    _crowd: Crowd | None = None
    _count: int = 0

    def __contains__(self, task_id: object) -> bool:
        return self._crowd is not None and task_id in self._crowd.waiting

    def __len__(self) -> int:
        return len(self.items)

    def add(self, item: Item, known: Snapshot | None) -> Flow[None]:
        """Wait for an item's task, of which the snapshot is known."""
        assert item.task_id is not None
        question = self.steps.work.question(item.task_id, known)
        if self._crowd is None:
            self._crowd = poll_many.Crowd(question.budget)
        self._count += 1
        self.items[self._count] = item
        instant, chance = (yield from now()), (yield from draw())
        self._crowd.add(self._count, question, instant, self.steps.terms.timeout, chance)

    def begin(self, *, busy: bool) -> Flow[None]:
        """Begin the looks that are due, few where there is something better to do."""
        if self._crowd is not None and self.items:
            ticks = (yield from now()).ticks
            yield from poll_many.begin_looks(self._crowd, ticks, _BESIDE if busy else LOOKS)

    def patience(self, ticks: float) -> float | None:
        """Return the seconds until a look can be begun, None where none is expected."""
        if self._crowd is None or self._crowd.flying >= _BESIDE:
            return None
        return poll_many.patience(self._crowd, ticks)

    @property
    def turn(self) -> Turn | None:
        """The place that is kept for the next look."""
        return None if self._crowd is None else self._crowd.turn

    def take_in(self, event: Done | Rung | None) -> Flow[tuple[Item, Outcome] | None]:
        """Take in what happened → the item whose wait ended by it, and how."""
        if self._crowd is None:
            return None
        ticks = (yield from now()).ticks
        one = self._waiting_of(event)
        ended = yield from poll_many.take_in(self._crowd, event, ticks, None)
        if ended:
            return self.items.pop(ended[0][0].index), ended[0][1]
        if one is not None:
            if one.seen is not None:
                self.steps.seen(one.seen)
                self.on_seen(self.items[one.index], one.seen)
            if ticks >= one.deadline:
                return self._give_up(one)
        return None

    def leave(self) -> list[Item]:
        """Wait for nobody any more → who was waited for; their tasks go on."""
        left, self.items = list(self.items.values()), {}
        if self._crowd is not None:
            self._crowd.rest()
        self._crowd = None
        for item in left:
            self.steps.let_go(item)
        return left

    def _waiting_of(self, event: Done | Rung | None) -> Waiting | None:
        key = getattr(event, "key", None)
        return key if isinstance(key, poll_many.Waiting) else None

    def _give_up(self, one: Waiting) -> tuple[Item, Outcome]:
        assert self._crowd is not None
        self._crowd.leave(one)
        timeout = self.steps.terms.timeout
        error = given_up(one.question.task_id, timeout, one.seen, one.fault)
        return self.items.pop(one.index), error
