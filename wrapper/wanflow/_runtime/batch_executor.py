"""Acts of one group that wait for a thread share it: one thread does all that have come by then."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define, field

from wanflow._event_loop import asyncio_loop, run_in_thread, start_in_thread, to_its_end

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from wanflow._core.effects import BatchFunction, Outcome

T = TypeVar("T")


@define(eq=False)
class _Queue:
    """What waits for one group in one event loop, and whether a thread is at what came before."""

    functions: list[Callable[[], Any]] = field(factory=list["Callable[[], Any]"])
    futures: list[asyncio.Future[Any]] = field(factory=list["asyncio.Future[Any]"])
    busy: bool = False


class BatchExecutor:
    """Hands functions to their groups, many at a time where many are waiting."""

    def __init__(self) -> None:
        self._queues: dict[tuple[asyncio.AbstractEventLoop, BatchFunction], _Queue] = {}

    async def submit(self, function: Callable[[], T], group: BatchFunction) -> T:
        """Do it in a thread, to its end, whatever is cancelled meanwhile."""
        loop = asyncio_loop()
        if loop is None:
            return cast("T", _result((await run_in_thread(lambda: group([function])))[0]))
        key = loop, group
        queue = self._queues.setdefault(key, _Queue())
        future: asyncio.Future[T] = loop.create_future()
        queue.functions.append(function)
        queue.futures.append(future)
        if not queue.busy:
            self._begin(key, queue)
        return await to_its_end(future)

    def _begin(self, key: tuple[asyncio.AbstractEventLoop, BatchFunction], queue: _Queue) -> None:
        functions, queue.functions = queue.functions, []
        futures, queue.futures = queue.futures, []
        queue.busy = bool(functions)
        if not functions:
            del self._queues[key]
            return
        done = start_in_thread(key[0], partial(key[1], functions))
        done.add_done_callback(lambda _: self._tell(key, queue, done, futures))

    def _tell(
        self,
        key: tuple[asyncio.AbstractEventLoop, BatchFunction],
        queue: _Queue,
        done: asyncio.Future[Sequence[Outcome]],
        futures: list[asyncio.Future[Any]],
    ) -> None:
        """Say what each came to, and go on with what has come meanwhile."""
        error = done.exception()
        ends: Sequence[Outcome] = () if error else done.result()
        for place, future in enumerate(futures):
            if future.done():
                continue
            trouble = ends[place].error if error is None else error
            if trouble is None:
                future.set_result(ends[place].value)
            else:
                future.set_exception(trouble)
        self._begin(key, queue)


def _result(end: Outcome) -> Any:
    if end.error is not None:
        raise end.error
    return end.value
