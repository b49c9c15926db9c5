"""What the flows of one client share: the clock, notifications, batched calls and a lock."""

from __future__ import annotations

import queue
import random
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from wanflow._core.effects import EmitEvent, RandomFloat, ReadClock, TimePoint, WithLock
from wanflow._event_loop import new_event
from wanflow._fork_safety import renew_in_children
from wanflow._runtime.event_dispatcher import EventDispatcher
from wanflow._runtime.notifications import Notifier

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import AbstractContextManager

    from wanflow._core.effects import Sleep
    from wanflow._event_loop import WakeupEvent
    from wanflow._runtime.event_dispatcher import OnEvent

T = TypeVar("T")


class SystemClock:
    """The real clock. Tests pass another one to the drivers."""

    def now(self) -> TimePoint:
        """Read both clocks."""
        return TimePoint(time.monotonic(), time.time())

    def random_float(self) -> float:
        """Return a random number from [0, 1)."""
        return random.random()  # noqa: S311 - spreads retries, guards nothing

    def sleep(self, seconds: float) -> None:
        """Block for some seconds."""
        time.sleep(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Block until the event is set, at most some seconds → whether it was set."""
        return event.wait(seconds)

    def receive(self, event: queue.SimpleQueue[T], seconds: float | None) -> T | None:
        """Block until an item arrives, at most some seconds, where given → None at the timeout."""
        try:
            return event.get(timeout=seconds)
        except queue.Empty:
            return None

    def wait_async(self, event: WakeupEvent, seconds: float | None) -> Awaitable[bool]:
        """Wait until the event is set, at most some seconds → whether it was set."""
        return event.wait(seconds)

    def sleep_async(self, seconds: float) -> Awaitable[bool]:
        """Sleep for some seconds → False: nothing ends it early."""
        return new_event().wait(seconds)


class SharedState:
    """Shared by a client and the clients that its `with_options` makes."""

    def __init__(self, clock: SystemClock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.notifier = Notifier()
        self._events = EventDispatcher()
        self.renew()
        renew_in_children(self)

    def renew(self) -> None:
        """Start with no waiters, and with the lock free."""
        self.notifier.renew()
        self._lock = threading.Lock()

    def subscribe(self, sleep: Sleep, call: Callable[[], object]) -> AbstractContextManager[bool]:
        """Return a context in which the end of a sleep by its topic or waker calls `call`.

        Entering it returns whether the sleep was ended before it began.
        """
        if sleep.topic is None:
            assert sleep.waker is not None, "nothing ends this sleep early"
            return sleep.waker.on_wake(call)
        return self.notifier.waiter(sleep.topic, lambda _: call())

    def immediate_effects(self, on_event: OnEvent) -> Mapping[type, Callable[[Any], Any]]:
        """Return what performs each effect that doesn't block, by the clock of that moment."""
        return {
            ReadClock: lambda _: self.clock.now(),
            RandomFloat: lambda _: self.clock.random_float(),
            WithLock: self._with_lock,
            EmitEvent: partial(self.emit, on_event=on_event),
        }

    def emit(self, event: EmitEvent, on_event: OnEvent) -> Any:
        """Pass an event to the log, and to a function of the user's."""
        self._events.dispatch(event, self.clock.now, on_event)

    def _with_lock(self, effect: WithLock) -> Any:
        with self._lock:
            return effect.function()
