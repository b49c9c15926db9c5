"""A clock that leaps over pauses: what a client would sleep has passed at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

from wanflow._core.effects import TimePoint
from wanflow._runtime.context import SystemClock

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from queue import SimpleQueue

    from wanflow._event_loop import Waker

T = TypeVar("T")

_MOST = 0.02
"""Seconds that a pause really takes, so that whoever is to end it can."""


class LeapingClock(SystemClock):
    """Real time, and on top of it every pause that was leapt over, whoever made it."""

    def __init__(self) -> None:
        self._leapt = 0.0
        self._lock = threading.Lock()

    def now(self) -> TimePoint:
        """Read both clocks."""
        real = super().now()
        return TimePoint(real.monotonic + self._leapt, real.wall + self._leapt)

    def sleep(self, seconds: float) -> None:
        """Leap."""
        super().sleep(self._leap(seconds))

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Leap, unless the event is set."""
        return event.is_set() or super().wait(event, self._leap(seconds))

    def receive(self, news: SimpleQueue[T], seconds: float | None) -> T | None:
        """Leap, unless there is news."""
        if seconds is not None and news.empty():
            seconds = self._leap(seconds)
        return super().receive(news, seconds)

    def wait_async(self, alarm: Waker, seconds: float | None) -> Awaitable[bool]:
        """Leap, unless the alarm rings at once."""
        return super().wait_async(alarm, None if seconds is None else self._leap(seconds))

    def sleep_async(self, seconds: float) -> Awaitable[bool]:
        """Leap."""
        return super().sleep_async(self._leap(seconds))

    def _leap(self, seconds: float) -> float:
        real = min(seconds, _MOST)
        with self._lock:
            self._leapt += seconds - real
        return real


def leaping(client: Any) -> Any:
    """Give a client such a clock, and return it."""
    client._driver._hub.clock = LeapingClock()
    return client


def ticks(client: Any) -> float:
    """Return what a client's clock shows, in seconds."""
    return client._driver._hub.clock.now().monotonic
