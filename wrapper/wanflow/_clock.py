"""The machine's clocks, its sleep and its chance, as the drivers take them."""

from __future__ import annotations

import queue
import random
import time
from typing import TYPE_CHECKING, TypeVar

from wanflow._core.effects import Instant
from wanflow._loops import new_alarm

if TYPE_CHECKING:
    import threading
    from collections.abc import Awaitable

    from wanflow._loops import Alarm

T = TypeVar("T")


class SystemClock:
    """Real time. A test gives the drivers another."""

    def now(self) -> Instant:
        """Read both clocks."""
        return Instant(time.monotonic(), time.time())

    def draw(self) -> float:
        """Draw from [0, 1)."""
        return random.random()  # noqa: S311 - spreads retries, guards nothing

    def sleep(self, seconds: float) -> None:
        """Block for some seconds."""
        time.sleep(seconds)

    def sleep_until(self, event: threading.Event, seconds: float) -> bool:
        """Block for some seconds, or until the event is set → whether it was."""
        return event.wait(seconds)

    def receive(self, news: queue.SimpleQueue[T], seconds: float | None) -> T | None:
        """Block until there is news, for some seconds at most, or None for as long as it takes."""
        try:
            return news.get(timeout=seconds)
        except queue.Empty:
            return None

    def asleep_until(self, alarm: Alarm, seconds: float | None) -> Awaitable[bool]:
        """Wait for some seconds, or until the alarm rings → whether it did."""
        return alarm.wait(seconds)

    def asleep(self, seconds: float) -> Awaitable[bool]:
        """Wait for some seconds → False, since nothing else ends it."""
        return new_alarm().wait(seconds)
