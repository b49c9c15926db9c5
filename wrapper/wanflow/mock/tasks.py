"""The tasks that the mock remembers: the newest ones, up to a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from wanflow.mock.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterator


@define
class TaskStore:
    """Tasks by id; the oldest are forgotten once there are more than `most`."""

    most: int = 50_000
    _by_id: dict[str, Task] = field(factory=dict[str, Task], repr=False)

    def add(self, task: Task) -> None:
        """Remember a task."""
        if len(self._by_id) >= self.most:
            del self._by_id[next(iter(self._by_id))]
        self._by_id[task.id] = task

    def get(self, task_id: str) -> Task | None:
        """Return the task with an id, None for an unknown or forgotten one."""
        return self._by_id.get(task_id)

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._by_id

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Task]:
        return iter(self._by_id.values())
