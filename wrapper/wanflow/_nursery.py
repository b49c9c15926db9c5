"""Flows that run beside another: threads on the sync side, tasks of the event loop on the other."""

from __future__ import annotations

import math
import queue
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

import anyio
import anyio.lowlevel

from wanflow._core.effects import Done, Rung, Start

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from wanflow._bells import Bells
    from wanflow._core.effects import Join

N = TypeVar("N")


class Nursery:
    """Plays started flows in threads, which don't outlive the interpreter's main thread."""

    def __init__(self, play: Callable[[Start], Any], bells: Bells) -> None:
        self._play = play
        self._bells = bells
        self._news: queue.SimpleQueue[Done | Rung] = queue.SimpleQueue()

    def do(self, effect: Start | Join) -> Done | Rung | None:
        """Begin to play a flow, or wait for what happens next."""
        if isinstance(effect, Start):
            self.start(effect)
            return None
        return self.join(effect)

    def start(self, start: Start) -> None:
        """Begin to play a flow."""
        threading.Thread(target=self._run, args=(start,), name="wanflow", daemon=True).start()

    def join(self, join: Join) -> Done | Rung | None:
        """Wait for the next end of a flow, or ring."""
        with self._bells.crowd(join.topics, lambda topic: self._news.put(Rung(topic))):
            try:
                return self._news.get(timeout=join.seconds)
            except queue.Empty:
                return None

    def _run(self, start: Start) -> None:
        try:
            self._news.put(Done(start.key, self._play(start)))
        except BaseException as error:
            self._news.put(Done(start.key, error=error))


class AsyncNursery:
    """Plays started flows in a task group; what still runs at the end of the block is cancelled."""

    def __init__(self, play: Callable[[Start], Awaitable[Any]], bells: Bells) -> None:
        self._play = play
        self._bells = bells
        self._group = anyio.create_task_group()

    async def __aenter__(self) -> Self:
        self._put, self._news = anyio.create_memory_object_stream[Done | Rung](math.inf)
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        self._group.cancel_scope.cancel()
        try:
            return await self._group.__aexit__(kind, error, trace)
        finally:
            self._put.close()
            self._news.close()

    async def do(self, effect: Start | Join) -> Done | Rung | None:
        """Begin to play a flow, or wait for what happens next."""
        if isinstance(effect, Start):
            self.start(effect)
            return None
        return await self.join(effect)

    def start(self, start: Start) -> None:
        """Begin to play a flow."""
        self._group.start_soon(self._run, start)

    async def join(self, join: Join) -> Done | Rung | None:
        """Wait for the next end of a flow, or ring."""
        tell = from_any_thread(lambda topic: self._put.send_nowait(Rung(topic)))
        with self._bells.crowd(join.topics, tell):
            with anyio.move_on_after(join.seconds):
                return await self._news.receive()
            return None

    async def _run(self, start: Start) -> None:
        try:
            value = await self._play(start)
        except Exception as error:
            self._put.send_nowait(Done(start.key, error=error))
        else:
            self._put.send_nowait(Done(start.key, value))


def placed(nursery: N | None, effect: Start | Join) -> N:
    """Return the nursery of a play.

    Raises:
        RuntimeError: the flow is played alone, and asked for one all the same.
    """
    if nursery is None:
        raise RuntimeError(f"{type(effect).__name__} has no place in a flow that is played alone")
    return nursery


def from_any_thread(function: Callable[[str], object]) -> Callable[[str], None]:
    """Wrap a function so that any thread may call it; it runs in the loop that wrapped it."""
    token: Any = anyio.lowlevel.current_token()
    native: Any = getattr(token, "native_token", token)
    soon: Callable[..., Any] = getattr(native, "call_soon_threadsafe", None) or native.run_sync_soon

    def call(topic: str) -> None:
        try:
            soon(partial(function, topic))
        except RuntimeError:
            return  # the loop has ended, and nobody waits in it

    return call
