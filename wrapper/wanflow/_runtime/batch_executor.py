"""Batches blocking calls: one thread runs all waiting calls of a batch function."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define, field

from wanflow._core.effects import Outcome
from wanflow._event_loop import (
    asyncio_loop,
    finish,
    run_in_thread,
    start_in_thread,
    wait_shielded,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from wanflow._core.effects import BatchFunction

T = TypeVar("T")


@define(eq=False)
class _Queue:
    """The waiting calls of a batch function in an event loop; `busy` while a thread runs some."""

    functions: list[Callable[[], Any]] = field(factory=list["Callable[[], Any]"])
    futures: list[asyncio.Future[Any]] = field(factory=list["asyncio.Future[Any]"])
    busy: bool = False


class BatchExecutor:
    """Passes functions to their batch functions, many at a time where many are waiting."""

    def __init__(self) -> None:
        self._queues: dict[tuple[asyncio.AbstractEventLoop, BatchFunction], _Queue] = {}

    async def submit(self, function: Callable[[], T], group: BatchFunction) -> T:
        """Run a function in a thread to its end; cancellation takes effect after it."""
        loop = asyncio_loop()
        if loop is None:
            return cast("T", _result((await run_in_thread(lambda: group([function])))[0]))
        key = loop, group
        queue = self._queues.setdefault(key, _Queue())
        future: asyncio.Future[T] = loop.create_future()
        queue.functions.append(function)
        queue.futures.append(future)
        if not queue.busy:
            self._start_next(key, queue)
        return await wait_shielded(future)

    def _start_next(
        self, key: tuple[asyncio.AbstractEventLoop, BatchFunction], queue: _Queue
    ) -> None:
        functions, queue.functions = queue.functions, []
        futures, queue.futures = queue.futures, []
        queue.busy = bool(functions)
        if not functions:
            del self._queues[key]
            return
        done = start_in_thread(key[0], partial(key[1], functions))
        done.add_done_callback(lambda _: self._resolve(key, queue, done, futures))

    def _resolve(
        self,
        key: tuple[asyncio.AbstractEventLoop, BatchFunction],
        queue: _Queue,
        done: asyncio.Future[Sequence[Outcome]],
        futures: list[asyncio.Future[Any]],
    ) -> None:
        """Set the result of each call, and start those that have come meanwhile."""
        error = done.exception()
        ends: Sequence[Outcome] = () if error else done.result()
        for place, future in enumerate(futures):
            end = ends[place] if error is None else Outcome(None, error)
            finish(future, end.value, end.error)
        self._start_next(key, queue)


def _result(end: Outcome) -> Any:
    if end.error is not None:
        raise end.error
    return end.value
