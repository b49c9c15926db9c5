"""Flows as iterators: what they emit, one by one. Between two, nothing of theirs is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Self, TypeVar, cast

from wanflow._core.effects import Yield
from wanflow._core.flow import FlowRun

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wanflow._core.effects import Flow

T = TypeVar("T")


class FlowIterator(Generic[T]):
    """What a flow emits, one by one."""

    def __init__(self, flow: Flow[None], advance: Callable[[FlowRun[None]], None]) -> None:
        self._flow = flow
        self._advance = advance
        self._script: FlowRun[None] | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        script = self._script = _resume(self._script, self._flow)
        self._advance(script)
        if isinstance(script.effect, Yield):
            return cast("T", script.effect.value)
        raise StopIteration

    def close(self) -> None:
        """Stop the flow wherever it is."""
        self._flow.close()


class AsyncFlowIterator(Generic[T]):
    """What a flow emits, one by one."""

    def __init__(
        self, flow: Flow[None], advance: Callable[[FlowRun[None]], Awaitable[None]]
    ) -> None:
        self._flow = flow
        self._advance = advance
        self._script: FlowRun[None] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        script = self._script = _resume(self._script, self._flow)
        await self._advance(script)
        if isinstance(script.effect, Yield):
            return cast("T", script.effect.value)
        raise StopAsyncIteration

    def close(self) -> None:
        """Stop the flow wherever it is."""
        self._flow.close()


def _resume(script: FlowRun[None] | None, flow: Flow[None]) -> FlowRun[None]:
    if script is None:
        return FlowRun(flow)
    if isinstance(script.effect, Yield):
        script.send(None)
    return script
