"""Runs spawned flows: in threads for sync code, in tasks of the event loop for async code."""

from __future__ import annotations

import queue
import threading
from collections import deque
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Self, TypeAlias
from weakref import WeakSet

import anyio

from wanflow._core.effects import Finish, Finished, Notified, Spawn, WaitNext
from wanflow._event_loop import new_event, threadsafe
from wanflow._runtime.notifications import Inbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from contextlib import AbstractContextManager
    from types import TracebackType

    from wanflow._core.effects import Flow, WakeHandle
    from wanflow._event_loop import WakeupEvent
    from wanflow._runtime.context import SystemClock
    from wanflow._runtime.notifications import Notifier

GroupEffect: TypeAlias = Spawn | WaitNext | Finish


def waking(waker: WakeHandle | None, call: Callable[[], object]) -> AbstractContextManager[bool]:
    """Return a context in which the waker, if there is one, calls `call`."""
    return nullcontext(False) if waker is None else waker.on_wake(call)


def _taken(event: Finished | Notified | None, inbox: Inbox) -> Finished | Notified | None:
    """Return an event that is handled now: a notification is taken out of the inbox."""
    return Notified(inbox.take()) if isinstance(event, Notified) else event


class FlowCancelled(BaseException):
    """Raised in a spawned flow's thread when its group is cancelled."""


class ThreadCancelScope:
    """A cancel scope for threads: it wakes those that sleep in it, and ends them there."""

    def __init__(self, outer: ThreadCancelScope | None = None) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._sleeping: set[threading.Event] = set()
        self._children: WeakSet[ThreadCancelScope] = WeakSet()
        if outer is not None:
            outer.add_child(self)

    def check(self) -> None:
        """Check for cancellation.

        Raises:
            FlowCancelled: the scope was cancelled.
        """
        if self._cancelled:
            raise FlowCancelled

    @contextmanager
    def until_cancelled(self, event: threading.Event) -> Generator[None]:
        """Set the event when the scope is cancelled.

        Raises:
            FlowCancelled: it was cancelled, before the block or inside it.
        """
        with self._lock:
            if self._cancelled:
                raise FlowCancelled
            self._sleeping.add(event)
        try:
            yield
        finally:
            with self._lock:
                self._sleeping.discard(event)
        if self._cancelled:
            raise FlowCancelled

    def cancel(self) -> None:
        """Cancel all threads in this scope and its children, and those that come later."""
        with self._lock:
            self._cancelled = True
            for event in self._sleeping:
                event.set()
            inner = tuple(self._children)
        for one in inner:
            one.cancel()

    def add_child(self, inner: ThreadCancelScope) -> None:
        """Cancel a child scope together with this one."""
        with self._lock:
            self._children.add(inner)
            over = self._cancelled
        if over:
            inner.cancel()


class ThreadGroup:
    """Runs spawned flows in daemon threads.

    A cancelled thread ends where it would sleep or send the next request; a request or a write to
    a file that it has begun is finished first.
    """

    def __init__(
        self,
        run_flow: Callable[[Flow[Any]], Any],
        notifier: Notifier,
        clock: SystemClock,
        scope: ThreadCancelScope,
    ) -> None:
        self._run_flow = run_flow
        self._notifier = notifier
        self._clock = clock
        self.scope = scope
        self._threads: set[threading.Thread] = set()
        self._abandonable: set[threading.Thread] = set()
        self._changed = threading.Condition()
        self._finished = False
        self._events: queue.SimpleQueue[Finished | Notified | None] = queue.SimpleQueue()
        self._inbox = Inbox(lambda topic: self._events.put(Notified(topic)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._notifier.give_back(self._inbox)
        if kind is None:
            self.join()
        else:
            self.finish()

    def perform(self, effect: GroupEffect) -> Finished | Notified | None:
        """Spawn a flow, wait for the next event, or finish."""
        match effect:
            case Spawn():
                self.start(effect)
            case Finish():
                self.finish()
            case WaitNext():
                return self.wait_next(effect)
        return None

    def start(self, start: Spawn) -> None:
        """Spawn a flow."""
        run, what = copy_context().run, (self._run, start)
        thread = threading.Thread(target=run, args=what, name="wanflow", daemon=True)
        self._threads.add(thread)
        thread.start()

    def cancel(self) -> None:
        """Cancel what still runs; `join` waits for it."""
        self.scope.cancel()

    def join(self) -> None:
        """Cancel what still runs, and wait until it has ended."""
        self.cancel()
        for thread in tuple(self._threads):
            thread.join()

    def finish(self) -> None:
        """Cancel what still runs, and wait for what must be finished.

        A thread that only polls or downloads isn't waited for: nothing is lost with its response,
        and it ends by itself. A second interrupt ends this wait.
        """
        if self._finished:
            return
        self._finished = True
        self.cancel()
        with self._changed:
            self._changed.wait_for(lambda: self._threads <= self._abandonable)

    @contextmanager
    def abandonable(self) -> Generator[None]:
        """Mark this thread as one that `finish` needn't wait for, inside this context.

        Raises:
            FlowCancelled: the group was cancelled, before the block or inside it.
        """
        thread = threading.current_thread()
        with self._changed:
            self._abandonable.add(thread)
            self._changed.notify_all()
        try:
            self.scope.check()
            yield
        finally:
            with self._changed:
                self._abandonable.discard(thread)
        self.scope.check()

    def wait_next(self, join: WaitNext) -> Finished | Notified | None:
        """Wait for a flow to end, or for a notification."""
        with (
            self._notifier.subscribe_many(join.topics, self._inbox),
            waking(join.waker, lambda: self._events.put(None)) as woken,
        ):
            event = self._clock.receive(self._events, 0 if woken else join.seconds)
        return _taken(event, self._inbox)

    def _run(self, start: Spawn) -> None:
        try:
            self._events.put(Finished(start.key, self._run_flow(start.flow)))
        except BaseException as error:
            self._events.put(Finished(start.key, error=error))
        finally:
            with self._changed:
                self._threads.discard(threading.current_thread())
                self._changed.notify_all()


class AsyncTaskGroup:
    """Runs spawned flows in a task group; what still runs at the end of the block is cancelled.

    Tasks are reused for further flows, since a task costs more than most flows.
    """

    def __init__(
        self,
        run_flow: Callable[[Flow[Any]], Awaitable[Any]],
        notifier: Notifier,
        clock: SystemClock,
    ) -> None:
        self._run_flow = run_flow
        self._notifier = notifier
        self._clock = clock
        self._group = anyio.create_task_group()
        self._queue: deque[Spawn] = deque()
        self._idle: list[WakeupEvent] = []
        self._events: deque[Finished | Notified] = deque()
        self._working = 0
        self._all_done: WakeupEvent | None = None
        self._next_event: WakeupEvent | None = None

    async def __aenter__(self) -> Self:
        self._inbox = Inbox(threadsafe(lambda topic: self._on_event(Notified(topic))))
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        self._notifier.give_back(self._inbox)
        self._group.cancel_scope.cancel()
        if not isinstance(error, Exception | KeyboardInterrupt | SystemExit):
            return await self._group.__aexit__(kind, error, trace)
        # anyio would put it into an exception group, or drop it with the cancellation.
        await self._group.__aexit__(None, None, None)
        return False

    async def perform(self, effect: GroupEffect) -> Finished | Notified | None:
        """Spawn a flow, wait for the next event, or finish."""
        match effect:
            case Spawn():
                self.start(effect)
            case Finish():
                await self.finish()
            case WaitNext():
                return await self.wait_next(effect)
        return None

    async def finish(self) -> None:
        """Cancel what still runs, and wait for what must be finished, which is shielded."""
        self._group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            while self._working:
                self._all_done = new_event()
                await self._all_done.wait(None)

    def start(self, start: Spawn) -> None:
        """Spawn a flow."""
        self._queue.append(start)
        if self._idle:
            self._idle.pop().set()
        else:
            self._working += 1
            self._group.start_soon(self._work)

    async def wait_next(self, join: WaitNext) -> Finished | Notified | None:
        """Wait for a flow to end, or for a notification."""
        if not self._events:
            self._next_event = new_event()
            with (
                self._notifier.subscribe_many(join.topics, self._inbox),
                waking(join.waker, self._next_event.set_threadsafe) as woken,
            ):
                await self._clock.wait_async(self._next_event, 0 if woken else join.seconds)
            self._next_event = None
        return _taken(self._events.popleft() if self._events else None, self._inbox)

    async def _work(self) -> None:
        try:
            while True:
                while self._queue:
                    start = self._queue.popleft()
                    try:
                        value = await self._run_flow(start.flow)
                    except Exception as error:
                        self._on_event(Finished(start.key, error=error))
                    else:
                        self._on_event(Finished(start.key, value))
                event = new_event()
                self._idle.append(event)
                await event.wait(None)
        finally:
            self._working -= 1
            if self._all_done is not None and not self._working:
                self._all_done.set()

    def _on_event(self, event: Finished | Notified) -> None:
        self._events.append(event)
        if self._next_event is not None:
            self._next_event.set()
