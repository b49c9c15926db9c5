"""The time that tasks live by."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time in seconds since 1970."""

    def now(self) -> float:
        """Return the present moment."""
        ...


class RealClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return the present moment."""
        return time.time()


class VirtualClock:
    """A clock that stands still until somebody moves it, so that minutes cost nothing."""

    def __init__(self, start: float = 1_750_000_000.0) -> None:
        self._now = start

    def now(self) -> float:
        """Return the moment that the clock was last moved to."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Move forward and return the new moment.

        Raises:
            ValueError: the clock would go back, or nowhere that a number can say.
        """
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"a clock advances by 0 seconds or more, not {seconds}")
        self._now += seconds
        return self._now
