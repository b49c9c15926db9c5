"""The running event loop: work in threads, and events that end a sleep in it.

anyio offers both for either backend. Under asyncio, this module uses a future and a timer instead:
ten thousand waits may sleep concurrently, and anyio's scopes would take most of their memory.
"""

from __future__ import annotations

import contextlib
import math
import sys
import threading
from collections import deque
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast
from weakref import WeakKeyDictionary

import anyio
import anyio.lowlevel

from wanflow._core.effects import Outcome
from wanflow._fork_safety import call_in_children

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine
    from concurrent.futures import ThreadPoolExecutor

    from wanflow._core.effects import Deliver

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
    return cast("T", await wait_for_outcome(partial(_start_in_thread, function)))


async def run_abandonable(function: Callable[[], T]) -> T:
    """Run a blocking function in a thread of its own; cancellation takes effect immediately.

    Then the thread goes on, and nobody gets what it returns or raises. Neither the event loop nor
    the end of the process waits for it.
    """
    from concurrent.futures import Future  # noqa: PLC0415 - for few functions

    future, event = Future[T](), new_event()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)
        event.set_threadsafe()

    threading.Thread(target=run, name="wanflow-abandonable", daemon=True).start()
    await event.wait(None)
    return future.result()


async def wait_for_outcome(start: Callable[[Deliver], object]) -> Any:
    """Start something, and wait for the outcome that it passes on, in any thread.

    Cancellation takes effect after it.
    """
    loop = asyncio_loop()
    if loop is not None:
        ending = _Ending(loop)
        start(partial(_deliveries_to(loop).add, ending))
        return (await ending.wait()).result()
    event = _AnyioEvent()
    outcomes: list[Outcome] = []

    def deliver(outcome: Outcome) -> Callable[[], None]:
        outcomes.append(outcome)
        return event.set_threadsafe

    start(deliver)
    with anyio.CancelScope(shield=True):
        await event.wait(None)
    return outcomes[0].result()


class _Ending:
    """An outcome that a task of asyncio waits for.

    A cancellation cancels the future that the task awaits; then it awaits another one.
    """

    __slots__ = ("_future", "loop", "outcome")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.outcome: Outcome | None = None
        self._future: asyncio.Future[None] = loop.create_future()

    def set(self, outcome: Outcome) -> None:
        """Set the outcome, in the event loop."""
        self.outcome = outcome
        finish(self._future, None)

    async def wait(self) -> Outcome:
        """Wait for the outcome; a cancellation is raised after that."""
        import asyncio  # noqa: PLC0415 - a blocking client never needs it

        try:
            await self._future
        except asyncio.CancelledError:
            # Only now: a scope costs more than all the rest.
            with anyio.CancelScope(shield=True):
                await self._wait_again()
            raise
        assert self.outcome is not None
        return self.outcome

    async def _wait_again(self) -> None:
        import asyncio  # noqa: PLC0415 - as above

        while self.outcome is None:
            self._future = self.loop.create_future()
            with contextlib.suppress(asyncio.CancelledError):
                await self._future


class _Deliveries:
    """Outcomes that other threads pass to the tasks of a loop; many of them wake it once."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[_Ending, Outcome]] = deque()

    def add(self, ending: _Ending, outcome: Outcome) -> Callable[[], None]:
        """Add the outcome of one; return what wakes the loop."""
        self._waiting.append((ending, outcome))
        return self._wake

    def _wake(self) -> None:
        try:
            self._waiting[0][0].loop.call_soon_threadsafe(self._deliver)
        except IndexError:
            return  # all are delivered
        except RuntimeError:
            self._waiting.clear()  # the loop is closed, and nothing waits in it

    def _deliver(self) -> None:
        while self._waiting:
            ending, outcome = self._waiting[0]
            ending.set(outcome)
            self._waiting.popleft()


_deliveries: WeakKeyDictionary[Any, _Deliveries] = WeakKeyDictionary()


def _deliveries_to(loop: asyncio.AbstractEventLoop) -> _Deliveries:
    found = _deliveries.get(loop)
    if found is None:
        found = _deliveries[loop] = _Deliveries()
    return found


async def run_shielded(function: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end; cancellation takes effect after it."""
    loop = asyncio_loop()
    if loop is not None:
        return await _wait_shielded(loop.create_task(function()))
    ends: list[T] = []
    with anyio.CancelScope(shield=True):
        ends.append(await function())
    return ends[0]


async def _wait_shielded(future: asyncio.Future[T]) -> T:
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

    try:
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
    except asyncio.InvalidStateError:  # without a context, which each wait would pay for
        return


def _start_in_thread(function: Callable[[], Any], deliver: Deliver) -> None:
    _threads().submit(_call, function, deliver)


def _call(function: Callable[[], Any], deliver: Deliver) -> None:
    try:
        outcome = Outcome(function())
    except BaseException as error:
        outcome = Outcome(error=error)
    wake = deliver(outcome)
    if wake is not None:
        wake()


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
