"""Clocks that don't depend on real time: sleeps end after milliseconds, or only early."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

from tests.waiting import TIME_LIMIT
from wanflow._core.effects import TimePoint
from wanflow._runtime.context import SystemClock

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from queue import SimpleQueue

    from wanflow._event_loop import WakeupEvent

T = TypeVar("T")

_LONGEST_SLEEP = 0.02
"""Real seconds of a sleep at most; another thread can still end it early."""
_SHORT_PAUSE = 3.0


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


class EndlessPauses(SystemClock):
    """Real time, but a pause of seconds fails unless something ends it early."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for the event."""
        return self._ended_early(super().wait(event, self._longer(seconds)), seconds)

    def receive(self, news: SimpleQueue[T], seconds: float | None) -> T | None:
        """Wait for news."""
        found = super().receive(news, None if seconds is None else self._longer(seconds))
        self._ended_early(found is not None, seconds)
        return found

    async def wait_async(self, alarm: WakeupEvent, seconds: float | None) -> bool:
        """Wait for the alarm."""
        longer = None if seconds is None else self._longer(seconds)
        return self._ended_early(await super().wait_async(alarm, longer), seconds)

    @staticmethod
    def _longer(seconds: float) -> float:
        return TIME_LIMIT if seconds > _SHORT_PAUSE else seconds

    @staticmethod
    def _ended_early(woken: bool, seconds: float | None) -> bool:
        assert woken or seconds is None or seconds <= _SHORT_PAUSE, "nothing ended the pause"
        return woken


def with_fast_clock(client: Any) -> Any:
    """Give a client a clock that skips sleeps, and return it."""
    client._driver._shared.clock = FastClock()
    return client


def with_endless_pauses(client: Any) -> Any:
    """Give a client a clock whose pauses must be ended early, and return it."""
    client._driver._shared.clock = EndlessPauses()
    return client


def monotonic(client: Any) -> float:
    """Return the monotonic time of a client's clock, in seconds."""
    return client._driver._shared.clock.now().monotonic
