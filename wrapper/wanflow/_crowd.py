"""Many tasks of one wait: what it begins with, and what it leaves in each."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeVar

from wanflow._core.callbacks import steady
from wanflow._views import TaskView
from wanflow.errors import InvalidRequest, WanflowError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    from wanflow._core.callbacks import Callbacks, Stretch
    from wanflow._core.snapshot import Snapshot
    from wanflow._flows.crowd import Outcome
    from wanflow._flows.waiting import OnUpdate

T = TypeVar("T", bound=TaskView)


def members(tasks: Iterable[T | str], take_up: Callable[[str], T]) -> list[T]:
    """Return the tasks of a wait, those that are named by their ids taken up.

    Raises:
        InvalidRequest: it is one task, or something else that isn't many.
    """
    if isinstance(tasks, str) or not hasattr(tasks, "__iter__"):
        raise InvalidRequest(f"many tasks are a list of tasks or of ids (got {tasks!r})")
    return [task if isinstance(task, TaskView) else take_up(task) for task in tasks]


def known(tasks: Sequence[TaskView]) -> list[tuple[str, Snapshot | None]]:
    """Return what a wait begins with: ids, and each task as last seen."""
    return [(task.id, task.snapshot) for task in tasks]


def heard(
    callbacks: Callbacks | None, notify: Callable[[str], object]
) -> AbstractContextManager[None]:
    """Have the waits of a client told of callbacks, inside the block."""
    return nullcontext() if callbacks is None else callbacks.subscribe(notify)


def stretch_of(callbacks: Callbacks | None) -> Stretch:
    """Return by what callbacks allow polling to be slowed."""
    return steady if callbacks is None else callbacks.poll_factor


def seen_by(
    tasks: Sequence[TaskView], on_update: OnUpdate, callbacks: Callbacks | None = None
) -> OnUpdate:
    """Return a callback that keeps each snapshot in the tasks of its id, and tells of ends, too."""
    by_id: dict[str, list[TaskView]] = {}
    for task in tasks:
        by_id.setdefault(task.id, []).append(task)

    def see(snapshot: Snapshot) -> object:
        for task in by_id.get(snapshot.id, ()):
            task.keep(snapshot)
        if callbacks is not None and snapshot.ended:
            callbacks.record_end(snapshot.id)
        return None if on_update is None else on_update(snapshot)

    return see


def failure_of(task: TaskView, outcome: Outcome) -> WanflowError | None:
    """Keep how the wait for a task ended, and return the error where it was one."""
    task.keep(outcome)
    return outcome if isinstance(outcome, WanflowError) else None
