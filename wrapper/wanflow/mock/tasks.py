"""The tasks that the mock remembers: the newest ones, up to a bound, and for a week."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from attrs import define, field

from wanflow.mock.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterator

WEEK = 7 * 24 * 3600.0


@define
class TaskStore:
    """Tasks by id; those beyond `most`, or older than `lifetime` in seconds, are forgotten."""

    most: int = 50_000
    lifetime: float = WEEK
    _by_id: dict[str, Task] = field(factory=dict[str, Task], repr=False)
    _order: deque[str] = field(factory=deque[str], repr=False)

    def add(self, task: Task) -> None:
        """Remember a task, and forget what is too old or too much by then."""
        self._by_id[task.id] = task
        self._order.append(task.id)
        if len(self._order) > self.most:
            self._drop()
        self.forget(task.created)

    def forget(self, now: float) -> None:
        """Forget what is too old."""
        while self._order and self._by_id[self._order[0]].created + self.lifetime < now:
            self._drop()

    def get(self, task_id: str, now: float) -> Task | None:
        """Return the task with an id, None for an unknown or forgotten one."""
        task = self._by_id.get(task_id)
        return task if task is not None and now <= task.created + self.lifetime else None

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._by_id

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Task]:
        return iter(tuple(self._by_id.values()))

    def _drop(self) -> None:
        del self._by_id[self._order.popleft()]
