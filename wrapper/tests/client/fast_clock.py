"""A clock that skips sleeps: a sleep of any length ends after milliseconds."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

from wanflow._core.effects import TimePoint
from wanflow._runtime.context import SystemClock

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from queue import SimpleQueue

    from wanflow._event_loop import WakeupEvent

T = TypeVar("T")

_LONGEST_SLEEP = 0.02
"""Real seconds of a sleep at most; another thread can still end it early."""


class FastClock(SystemClock):
    """Real time plus all skipped sleeps."""

    def __init__(self) -> None:
        self._skipped = 0.0
        self._lock = threading.Lock()

    def now(self) -> TimePoint:
        """Read both clocks."""
        real = super().now()
        return TimePoint(real.monotonic + self._skipped, real.wall + self._skipped)

    def sleep(self, seconds: float) -> None:
        """Skip the sleep."""
        super().sleep(self._skip(seconds))

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Skip the wait, unless the event is set."""
        return event.is_set() or super().wait(event, self._skip(seconds))

    def receive(self, news: SimpleQueue[T], seconds: float | None) -> T | None:
        """Skip the wait, unless something is in the queue."""
        if seconds is not None and news.empty():
            seconds = self._skip(seconds)
        return super().receive(news, seconds)

    def wait_async(self, alarm: WakeupEvent, seconds: float | None) -> Awaitable[bool]:
        """Skip the wait, unless it is ended immediately."""
        return super().wait_async(alarm, None if seconds is None else self._skip(seconds))

    def sleep_async(self, seconds: float) -> Awaitable[bool]:
        """Skip the sleep."""
        return super().sleep_async(self._skip(seconds))

    def _skip(self, seconds: float) -> float:
        real = min(seconds, _LONGEST_SLEEP)
        with self._lock:
            self._skipped += seconds - real
        return real


def with_fast_clock(client: Any) -> Any:
    """Give a client such a clock, and return it."""
    client._driver._shared.clock = FastClock()
    return client


def monotonic(client: Any) -> float:
    """Return the monotonic time of a client's clock, in seconds."""
    return client._driver._shared.clock.now().monotonic
