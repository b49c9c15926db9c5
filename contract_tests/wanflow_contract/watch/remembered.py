"""What a watch remembers of each task; of too many it forgets the oldest ones."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from wanflow_contract.checks.task_history import TaskHistory

_MOST_TASKS = 10_000
_MOST_BYTES = 256 << 20
"""How many tasks are remembered, and how many bytes of exchanges with them."""


@define(eq=False)
class RememberedTasks:
    """When each task was first seen and last polled, and how many bytes are kept of it.

    `histories` are those of the checks, which lose what is forgotten; `joined` are the tasks that
    were submitted before the watch began. `forgotten` counts the tasks that were dropped.
    """

    histories: dict[str, TaskHistory]
    joined: set[str] = field(factory=set)
    forgotten: int = 0
    _first_seen: OrderedDict[str, float] = field(factory=OrderedDict)
    _ended: dict[str, float] = field(factory=dict)
    _sizes: dict[str, int] = field(factory=dict)
    _size: int = 0

    def add(self, task_id: str, now: float) -> bool:
        """Remember a task; return whether it is new."""
        new = task_id not in self._first_seen
        self._first_seen.setdefault(task_id, now)
        self.measure(task_id)
        return new

    def measure(self, task_id: str) -> None:
        """Measure a task of which there is news, and forget the oldest ones if all are too many."""
        history = self.histories[task_id]
        size = sum(len(one.sent) + len(one.content) for one in (history.first, history.last))
        self._size += size - self._sizes.get(task_id, 0)
        self._sizes[task_id] = size
        while len(self._first_seen) > _MOST_TASKS or (
            self._size > _MOST_BYTES and len(self._first_seen) > 1
        ):
            self.forgotten += 1
            self.forget(next(iter(self._first_seen)))

    def forget(self, task_id: str) -> None:
        """Forget a task."""
        self._size -= self._sizes.pop(task_id, 0)
        self.histories.pop(task_id, None)
        self._first_seen.pop(task_id, None)
        self._ended.pop(task_id, None)
        self.joined.discard(task_id)

    def polled(self, task_id: str, ended: float) -> None:
        """Record when a response about a task had been received."""
        self._ended[task_id] = max(ended, self.last_polled(task_id))
        self.measure(task_id)

    def last_polled(self, task_id: str) -> float:
        """Return when the latest response about a task had been received, 0 if none was."""
        return self._ended.get(task_id, 0.0)

    def age(self, task_id: str, now: float) -> float:
        """Return for how many seconds a task has been known."""
        return now - self._first_seen.get(task_id, now)
