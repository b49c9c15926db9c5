"""Flows that run beside another: threads on the sync side, tasks of the event loop on the other."""

from __future__ import annotations

import queue
import threading
from collections import deque
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Self, TypeVar
from weakref import WeakSet

import anyio

from wanflow._core.effects import Finish, Finished, Notified, Spawn, WaitNext
from wanflow._event_loop import new_waker, threadsafe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from contextlib import AbstractContextManager
    from types import TracebackType

    from wanflow._core.effects import WakeHandle
    from wanflow._event_loop import Waker
    from wanflow._runtime.context import SystemClock
    from wanflow._runtime.notifications import Notifier

N = TypeVar("N")


def woken_by(waker: WakeHandle | None, call: Callable[[], object]) -> AbstractContextManager[bool]:
    """Return a block in which a waker calls this, where there is one."""
    return nullcontext(False) if waker is None else waker.on_wake(call)


class FlowCancelled(BaseException):
    """Nobody waits for this flow any more: what a thread is told instead of going on to sleep."""


class CancellableSleep:
    """Where the threads of one nursery sleep, to be woken and sent home when it ends."""

    def __init__(self, outer: CancellableSleep | None = None) -> None:
        self._lock = threading.Lock()
        self._over = False
        self._sleeping: set[threading.Event] = set()
        self._inner: WeakSet[CancellableSleep] = WeakSet()
        if outer is not None:
            outer.adopt(self)

    def check(self) -> None:
        """Go on, unless the nursery has ended.

        Raises:
            Abandoned: it has.
        """
        if self._over:
            raise FlowCancelled

    @contextmanager
    def until_cancelled(self, news: threading.Event) -> Generator[None]:
        """Have `news` set when the nursery ends.

        Raises:
            Abandoned: it has ended, before the block or inside it.
        """
        with self._lock:
            if self._over:
                raise FlowCancelled
            self._sleeping.add(news)
        try:
            yield
        finally:
            with self._lock:
                self._sleeping.discard(news)
        if self._over:
            raise FlowCancelled

    def end(self) -> None:
        """Wake all, now and from now on, in the nurseries inside as well."""
        with self._lock:
            self._over = True
            for news in self._sleeping:
                news.set()
            inner = tuple(self._inner)
        for one in inner:
            one.end()

    def adopt(self, inner: CancellableSleep) -> None:
        """End another one with this one."""
        with self._lock:
            self._inner.add(inner)
            over = self._over
        if over:
            inner.end()


class ThreadGroup:
    """Plays started flows in threads, which don't outlive the interpreter's main thread.

    What a flow has begun with the API or a file is never broken off: a thread that nobody waits
    for ends where it would sleep, or ask again.
    """

    def __init__(
        self,
        play: Callable[[Spawn], Any],
        bells: Notifier,
        clock: SystemClock,
        rest: CancellableSleep,
    ) -> None:
        self._play = play
        self._bells = bells
        self._clock = clock
        self.rest = rest
        self._threads: set[threading.Thread] = set()
        self._asking: set[threading.Thread] = set()
        self._changed = threading.Condition()
        self._finished = False
        self._news: queue.SimpleQueue[Finished | Notified | None] = queue.SimpleQueue()

    def perform(self, effect: Spawn | WaitNext | Finish) -> Finished | Notified | None:
        """Begin to play a flow, wait for what happens next, or finish."""
        match effect:
            case Spawn():
                self.start(effect)
            case Finish():
                self.finish()
            case WaitNext():
                return self.wait_next(effect)
        return None

    def start(self, start: Spawn) -> None:
        """Begin to play a flow."""
        thread = threading.Thread(target=self._run, args=(start,), name="wanflow", daemon=True)
        self._threads.add(thread)
        thread.start()

    def cancel(self) -> None:
        """Send home what still runs; `leave` waits for it."""
        self.rest.end()

    def join(self) -> None:
        """Send home what still runs, and wait until it has gone."""
        self.cancel()
        for thread in tuple(self._threads):
            thread.join()

    def finish(self) -> None:
        """Send home what still runs, and wait for what has to be finished.

        A thread that only reads from the API or fetches a file is left to itself: nothing is lost
        with what it reads, and it ends by itself. This waits once: an interrupt ends it.
        """
        if self._finished:
            return
        self._finished = True
        self.cancel()
        with self._changed:
            self._changed.wait_for(lambda: self._threads <= self._asking)

    @contextmanager
    def asking(self) -> Generator[None]:
        """Take note that this thread only asks, for as long as it does."""
        thread = threading.current_thread()
        with self._changed:
            self._asking.add(thread)
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._asking.discard(thread)

    def wait_next(self, join: WaitNext) -> Finished | Notified | None:
        """Wait for the next end of a flow, or ring."""
        with (
            self._bells.subscribe_many(join.topics, lambda topic: self._news.put(Notified(topic))),
            woken_by(join.waker, lambda: self._news.put(None)) as woken,
        ):
            return self._clock.receive(self._news, 0 if woken else join.seconds)

    def _run(self, start: Spawn) -> None:
        try:
            self._news.put(Finished(start.key, self._play(start)))
        except BaseException as error:
            self._news.put(Finished(start.key, error=error))
        finally:
            with self._changed:
                self._threads.discard(threading.current_thread())
                self._changed.notify_all()


class AsyncTaskGroup:
    """Plays started flows in a task group; what still runs at the end of the block is cancelled.

    A task that has played its flow plays the next, since a task costs more than most flows.
    """

    def __init__(
        self, play: Callable[[Spawn], Awaitable[Any]], bells: Notifier, clock: SystemClock
    ) -> None:
        self._play = play
        self._bells = bells
        self._clock = clock
        self._group = anyio.create_task_group()
        self._given: deque[Spawn] = deque()
        self._idle: list[Waker] = []
        self._news: deque[Finished | Notified] = deque()
        self._working = 0
        self._all_gone: Waker | None = None
        self._joining: Waker | None = None

    async def __aenter__(self) -> Self:
        self._tell = threadsafe(lambda topic: self._on_event(Notified(topic)))
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        self._group.cancel_scope.cancel()
        return await self._group.__aexit__(kind, error, trace)

    async def perform(self, effect: Spawn | WaitNext | Finish) -> Finished | Notified | None:
        """Begin to play a flow, wait for what happens next, or finish."""
        match effect:
            case Spawn():
                self.start(effect)
            case Finish():
                await self.finish()
            case WaitNext():
                return await self.wait_next(effect)
        return None

    async def finish(self) -> None:
        """Cancel what still runs, and wait for what has to be finished, which is under a shield."""
        self._group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            while self._working:
                self._all_gone = new_waker()
                await self._all_gone.wait(None)

    def start(self, start: Spawn) -> None:
        """Begin to play a flow."""
        self._given.append(start)
        if self._idle:
            self._idle.pop().wake()
        else:
            self._working += 1
            self._group.start_soon(self._work)

    async def wait_next(self, join: WaitNext) -> Finished | Notified | None:
        """Wait for the next end of a flow, or ring."""
        if not self._news:
            self._joining = new_waker()
            with (
                self._bells.subscribe_many(join.topics, self._tell),
                woken_by(join.waker, self._joining.wake_threadsafe) as woken,
            ):
                await self._clock.wait_async(self._joining, 0 if woken else join.seconds)
            self._joining = None
        return self._news.popleft() if self._news else None

    async def _work(self) -> None:
        try:
            while True:
                while self._given:
                    await self._run(self._given.popleft())
                alarm = new_waker()
                self._idle.append(alarm)
                await alarm.wait(None)
        finally:
            self._working -= 1
            if self._all_gone is not None and not self._working:
                self._all_gone.wake()

    async def _run(self, start: Spawn) -> None:
        try:
            value = await self._play(start)
        except Exception as error:
            self._on_event(Finished(start.key, error=error))
        else:
            self._on_event(Finished(start.key, value))

    def _on_event(self, news: Finished | Notified) -> None:
        self._news.append(news)
        if self._joining is not None:
            self._joining.wake()


def require_group(nursery: N | None, effect: Spawn | WaitNext | Finish) -> N:
    """Return the nursery of a play.

    Raises:
        RuntimeError: the flow is played alone, and asked for one all the same.
    """
    if nursery is None:
        raise RuntimeError(f"{type(effect).__name__} has no place in a flow that is played alone")
    return nursery
