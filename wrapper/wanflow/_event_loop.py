"""The running event loop: work in threads, and events that end a sleep in it.

anyio offers both for either backend. Under asyncio, this module uses a future and a timer instead:
ten thousand waits may sleep concurrently, and anyio's scopes would take most of their memory.
"""

from __future__ import annotations

import contextlib
import math
import sys
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread

from wanflow._fork_safety import call_in_children

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")


def asyncio_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop of the calling asyncio task; None under any other backend."""
    # If nothing has imported asyncio, no loop of its runs. The import would take 20 ms.
    module = sys.modules.get("asyncio")
    if module is None:
        return None
    try:
        loop: asyncio.AbstractEventLoop = module.get_running_loop()
    except RuntimeError:
        return None
    return loop if module.current_task(loop) is not None else None


def current_loop() -> Any:
    """Return an object that identifies the running event loop."""
    loop = asyncio_loop()
    return anyio.lowlevel.current_token() if loop is None else loop


def is_closed(loop: Any) -> bool:
    """Return whether an event loop is closed; False where it can't be found out."""
    native = getattr(loop, "native_token", loop)
    return bool(getattr(native, "is_closed", bool)())


def threadsafe(function: Callable[[str], object]) -> Callable[[str], None]:
    """Wrap a function so that any thread may call it; it runs in the current event loop."""
    loop = current_loop()
    native: Any = getattr(loop, "native_token", loop)
    soon: Callable[..., Any] = getattr(native, "call_soon_threadsafe", None) or native.run_sync_soon

    def call(topic: str) -> None:
        try:
            soon(function, topic)
        except RuntimeError:
            return  # the loop is closed, and nothing waits in it

    return call


async def run_in_thread(function: Callable[[], T]) -> T:
    """Run a blocking function in a thread to its end; cancellation takes effect after it."""
    loop = asyncio_loop()
    if loop is None:
        ends: list[T] = []
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(lambda: ends.append(function()))
        return ends[0]
    return await wait_shielded(start_in_thread(loop, function))


async def run_shielded(function: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end; cancellation takes effect after it."""
    loop = asyncio_loop()
    if loop is not None:
        return await wait_shielded(loop.create_task(function()))
    ends: list[T] = []
    with anyio.CancelScope(shield=True):
        ends.append(await function())
    return ends[0]


async def wait_shielded(future: asyncio.Future[T]) -> T:
    """Wait, under asyncio, for a future to finish; a cancellation is raised after that."""
    import asyncio  # noqa: PLC0415 - a blocking client never needs it

    cancelled = None
    with anyio.CancelScope(shield=True):
        while not future.done():
            # A cancellation cancels the awaited future, so another one is awaited here.
            waiter: asyncio.Future[None] = future.get_loop().create_future()
            future.add_done_callback(partial(_wake, waiter))
            try:
                await waiter
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        if not future.cancelled():
            future.exception()  # marks it as retrieved, so that asyncio logs no warning
        raise cancelled
    return future.result()


def _wake(waiter: asyncio.Future[None], _: object) -> None:
    finish(waiter, None)


def finish(future: asyncio.Future[T], value: T, error: BaseException | None = None) -> None:
    """Set the result of a future, or its error, unless it is done.

    A signal handler may cancel it at any moment, so asking it first wouldn't do.
    """
    import asyncio  # noqa: PLC0415 - a blocking client never needs it

    with contextlib.suppress(asyncio.InvalidStateError):
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


def start_in_thread(
    loop: asyncio.AbstractEventLoop, function: Callable[[], T]
) -> asyncio.Future[T]:
    """Start a blocking function in a thread."""
    return loop.run_in_executor(_threads(), function)


@cache
def _threads() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - for async clients only

    # As many threads as anyio has, at a third of its cost for each call.
    return ThreadPoolExecutor(40, thread_name_prefix="wanflow")


# A forked child has none of the executor's threads.
call_in_children(_threads.cache_clear)


def new_event() -> WakeupEvent:
    """Make an event for the running event loop."""
    loop = asyncio_loop()
    return _AnyioEvent() if loop is None else _AsyncioEvent(loop)


class _AsyncioEvent:
    __slots__ = ("_future", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._future: asyncio.Future[bool] = loop.create_future()

    def set(self) -> None:
        self._end(notified=True)

    def set_threadsafe(self) -> None:
        if asyncio_loop() is self._loop:
            self.set()
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nothing waits in it
            self._loop.call_soon_threadsafe(self.set)

    async def wait(self, seconds: float | None) -> bool:
        if seconds is None:
            return await self._future
        timer = self._loop.call_later(seconds, self._end)
        try:
            return await self._future
        finally:
            timer.cancel()

    def _end(self, *, notified: bool = False) -> None:
        finish(self._future, notified)


class _AnyioEvent:
    def __init__(self) -> None:
        self._event = anyio.Event()
        self._soon = threadsafe(lambda _: self.set())

    def set(self) -> None:
        self._event.set()

    def set_threadsafe(self) -> None:
        self._soon("")

    async def wait(self, seconds: float | None) -> bool:
        with anyio.move_on_after(math.inf if seconds is None else seconds):
            await self._event.wait()
        return self._event.is_set()


WakeupEvent: TypeAlias = _AsyncioEvent | _AnyioEvent
"""An event that one task waits for, once; only `set_threadsafe` may be called by any thread."""
