"""What a wait needs of a callback receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    PollFactor: TypeAlias = Callable[[str], float]


class CallbackSource(Protocol):
    """Receives callbacks, such as `wanflow.webhooks.Receiver`. Any thread may call it."""

    def subscribe(self, callback: Callable[[str], object]) -> AbstractContextManager[None]:
        """Call `callback` with the id of each task that a callback comes for, inside the block.

        It only means that the task should be polled. For tasks whose callbacks came before,
        `callback` is called immediately.
        """
        ...

    def poll_factor(self, task_id: str) -> float:
        """Return by what the polling of a task may be slowed; 1 where callbacks don't come."""
        ...

    def record_end(self, task_id: str) -> None:
        """Take note that a wait has seen a task end."""
        ...


def no_slowdown(_: str) -> float:
    """Slow nothing: the stretch of a wait that nobody calls."""
    return 1.0
