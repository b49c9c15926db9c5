"""Add task ids to exceptions, so that the caller can resume."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import frozen

from wanflow import errors
from wanflow._text import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Generator
    from contextlib import AbstractContextManager

# So many ids are written out where a wait for many is broken off.
_NAMED = 20


@frozen
class _About:
    task_id: str

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, GeneratorExit):
            return
        if getattr(error, "task_id", None) is not None:
            return
        error.task_id = self.task_id  # type: ignore[attr-defined]
        if not isinstance(error, errors.WanflowError):
            error.add_note(f"client.task({self.task_id!r}) takes the task up again")


def task_context(task_id: str) -> AbstractContextManager[None]:
    """See to it that whatever is raised inside names the task, and how to take it up again."""
    return _About(task_id)


@contextmanager
def tasks_context(waiting: Collection[str]) -> Generator[None]:
    """See to it that whatever is raised inside has `task_ids`: those that had not ended by then."""
    try:
        yield
    except GeneratorExit:
        raise
    except BaseException as error:
        left = tuple(waiting)
        error.task_ids = left  # type: ignore[attr-defined]
        if left and not isinstance(error, errors.WanflowError):
            shown = one_line(", ".join(left[:_NAMED])) + (", …" if len(left) > _NAMED else "")
            error.add_note(
                f"tasks that had not ended: {shown}; client.wait_all(error.task_ids) takes them "
                "up again"
            )
        raise
