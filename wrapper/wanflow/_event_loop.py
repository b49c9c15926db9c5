"""Which event loop this is, and alarms that wake a task in it: by time, or by a ring before.

anyio does both for either backend. Under asyncio the same is done here with a future and a timer,
because ten thousand waits sleep at once, and anyio's scopes cost them most of their memory.
"""

from __future__ import annotations

import contextlib
import math
import sys
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread

from wanflow._fork_safety import call_in_children

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")


class Waker(Protocol):
    """Wakes one task, once."""

    def wake(self) -> None:
        """Wake it, from the event loop."""
        ...

    def wake_threadsafe(self) -> None:
        """Wake it, from any thread."""
        ...

    async def wait(self, seconds: float | None) -> bool:
        """Sleep for some seconds at most, or until it rings → whether it did."""
        ...


def asyncio_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop of the asyncio task that calls, None under any other backend."""
    # Where nobody has imported it, none of its loops runs; it takes a blocking client 20 ms.
    module = sys.modules.get("asyncio")
    if module is None:
        return None
    try:
        loop: asyncio.AbstractEventLoop = module.get_running_loop()
    except RuntimeError:
        return None
    return loop if module.current_task(loop) is not None else None


def current_loop() -> Any:
    """Return what tells this event loop from others."""
    loop = asyncio_loop()
    return anyio.lowlevel.current_token() if loop is None else loop


def is_closed(loop: Any) -> bool:
    """Tell whether an event loop has ended; where none can tell, it is taken to go on."""
    native = getattr(loop, "native_token", loop)
    return bool(getattr(native, "is_closed", bool)())


def threadsafe(function: Callable[[str], object]) -> Callable[[str], None]:
    """Wrap a function so that any thread may call it; it runs in the loop that wrapped it."""
    loop = current_loop()
    native: Any = getattr(loop, "native_token", loop)
    soon: Callable[..., Any] = getattr(native, "call_soon_threadsafe", None) or native.run_sync_soon

    def call(topic: str) -> None:
        try:
            soon(function, topic)
        except RuntimeError:
            return  # the loop has ended, and nobody waits in it

    return call


async def run_in_thread(function: Callable[[], T]) -> T:
    """Do in a thread what may block, to its end, whatever is cancelled meanwhile."""
    loop = asyncio_loop()
    if loop is None:
        ends: list[T] = []
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(lambda: ends.append(function()))
        return ends[0]
    return await to_its_end(start_in_thread(loop, function))


async def to_its_end(future: asyncio.Future[T]) -> T:
    """Wait, under asyncio, for what can't be broken off; a cancellation goes on after its end."""
    import asyncio  # noqa: PLC0415 - a blocking client never needs it

    cancelled = None
    with anyio.CancelScope(shield=True):
        while not future.done():
            # A cancellation ends what is awaited, which is another future for that reason.
            waiter: asyncio.Future[None] = future.get_loop().create_future()
            future.add_done_callback(partial(_wake, waiter))
            try:
                await waiter
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        if not future.cancelled():
            future.exception()  # asyncio needn't say that nobody asked for it
        raise cancelled
    return future.result()


def _wake(waiter: asyncio.Future[None], _: object) -> None:
    if not waiter.done():
        waiter.set_result(None)


def start_in_thread(
    loop: asyncio.AbstractEventLoop, function: Callable[[], T]
) -> asyncio.Future[T]:
    """Begin to do in a thread what may block."""
    return loop.run_in_executor(_threads(), function)


@cache
def _threads() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - for async clients only

    # As many as anyio has, and handed work at a third of the cost.
    return ThreadPoolExecutor(40, thread_name_prefix="wanflow")


# A forked child has none of the threads that the executor counts on.
call_in_children(_threads.cache_clear)


def new_waker() -> Waker:
    """Make an alarm for this event loop."""
    loop = asyncio_loop()
    return _AnyioWaker() if loop is None else _AsyncioWaker(loop)


class _AsyncioWaker:
    __slots__ = ("_future", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._future: asyncio.Future[bool] = loop.create_future()

    def wake(self) -> None:
        self._end(rung=True)

    def wake_threadsafe(self) -> None:
        if asyncio_loop() is self._loop:
            self.wake()
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits in it
            self._loop.call_soon_threadsafe(self.wake)

    async def wait(self, seconds: float | None) -> bool:
        if seconds is None:
            return await self._future
        timer = self._loop.call_later(seconds, self._end)
        try:
            return await self._future
        finally:
            timer.cancel()

    def _end(self, *, rung: bool = False) -> None:
        if not self._future.done():
            self._future.set_result(rung)


class _AnyioWaker:
    def __init__(self) -> None:
        self._event = anyio.Event()
        self._soon = threadsafe(lambda _: self.wake())

    def wake(self) -> None:
        self._event.set()

    def wake_threadsafe(self) -> None:
        self._soon("")

    async def wait(self, seconds: float | None) -> bool:
        with anyio.move_on_after(math.inf if seconds is None else seconds):
            await self._event.wait()
        return self._event.is_set()
