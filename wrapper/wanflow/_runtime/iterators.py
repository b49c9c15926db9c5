"""Iterators over the values that flows yield. Between two values, nothing is in flight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Self, TypeVar, cast

from wanflow._core.effects import Yield
from wanflow._runtime.flow_run import FlowRun

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wanflow._core.effects import Flow

T = TypeVar("T")


class FlowIterator(Generic[T]):
    """The values that a flow yields, one by one."""

    def __init__(self, flow: Flow[None], advance: Callable[[FlowRun[None]], None]) -> None:
        self._flow = flow
        self._advance = advance
        self._run: FlowRun[None] | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        run = self._run = _resume(self._run, self._flow)
        self._advance(run)
        if isinstance(run.effect, Yield):
            return cast("T", run.effect.value)
        raise StopIteration

    def close(self) -> None:
        """Close the flow."""
        self._flow.close()


class AsyncFlowIterator(Generic[T]):
    """The values that a flow yields, one by one."""

    def __init__(
        self, flow: Flow[None], advance: Callable[[FlowRun[None]], Awaitable[None]]
    ) -> None:
        self._flow = flow
        self._advance = advance
        self._run: FlowRun[None] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        run = self._run = _resume(self._run, self._flow)
        await self._advance(run)
        if isinstance(run.effect, Yield):
            return cast("T", run.effect.value)
        raise StopAsyncIteration

    def close(self) -> None:
        """Close the flow."""
        self._flow.close()


def _resume(run: FlowRun[None] | None, flow: Flow[None]) -> FlowRun[None]:
    if run is None:
        return FlowRun(flow)
    if isinstance(run.effect, Yield):
        run.send(None)
    return run
