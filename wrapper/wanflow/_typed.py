"""How type checkers see `submit` and `run`: with the parameters of each model, as generated.

At run time the methods are what they are; only their types come from the generated package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow._core.snapshot import Snapshot
    from wanflow_client.parameters import Run, Submit

    OnUpdate = Callable[[Snapshot], object] | None

M = TypeVar("M")
S = TypeVar("S")


class Typed(Generic[S]):
    """A method that is seen as the signature S. Never made: it stands for the method itself."""

    def __get__(self, instance: object, owner: type) -> S: ...  # type: ignore[empty-body]


def typed_submit(method: Callable[..., M]) -> Typed[Submit[M]]:
    """Show a method with the parameters of each model."""
    return cast("Typed[Submit[M]]", method)


def typed_run(method: Callable[..., M]) -> Typed[Run[M, OnUpdate]]:
    """Show a method with the parameters of each model, and those of a wait."""
    return cast("Typed[Run[M, OnUpdate]]", method)
