"""How often one client looks at tasks: one budget for all its waits, lowered when a 429 comes."""

from __future__ import annotations

from math import ceil

# A 429 without a number is followed by so many seconds without a look.
_PAUSE = 2.0
# Each look that is answered gives back this share of the full rate.
_RECOVERY = 0.01
# Answers that come within so many seconds of a 429 were asked for before it.
_ECHO = 1.0
_LOWEST = 0.05
# Where there are many looks, those of so many seconds begin together, as far as there are
# connections for them: a machine that wakes up for each of them does little else.
_STRETCH = 0.04
# Each look that finds no connection free takes this share of the rate.
_EASING = 0.99


class Budget:
    """Looks a second, and at once, shared by every wait of a client. Moments are in ticks.

    Its methods are to be called by one flow at a time.
    """

    def __init__(self, rate: float, at_once: int = 1_000_000) -> None:
        self._at_once = at_once
        self._flying = 0
        self._full = rate
        self._rate = rate
        self._next = 0.0
        self._until = 0.0
        self._lowered = -_ECHO

    @property
    def rate(self) -> float:
        """Looks a second, as it is now."""
        return self._rate

    def wait(self, ticks: float) -> float:
        """Return how many seconds remain until the next look is free; it stays free."""
        return max(0.0, self._begun(self._free(ticks)) - ticks)

    def reserve(self, ticks: float) -> float:
        """Take the next free look → seconds until it."""
        at = self._free(ticks)
        self._next = at + 1.0 / self._rate
        return max(0.0, self._begun(at) - ticks)

    def _free(self, ticks: float) -> float:
        return max(ticks - self._stretch, self._next, self._until)

    def _begun(self, at: float) -> float:
        stretch = self._stretch
        return ceil(at / stretch) * stretch if stretch else at

    @property
    def _stretch(self) -> float:
        stretch = min(_STRETCH, self._at_once / self._rate)
        return stretch if stretch * self._rate > 1 else 0.0

    def blocked(self, ticks: float) -> bool:
        """Tell whether the server asked for a pause that isn't over, after a look was reserved."""
        return ticks < self._until

    @property
    def full(self) -> bool:
        """Whether as many looks are under way as there are connections for them."""
        return self._flying >= self._at_once

    def begin(self) -> None:
        """Begin a look. One that finds every connection taken makes all looks less frequent."""
        self._flying += 1
        if self.full:
            self._rate = max(_LOWEST, self._rate * _EASING)

    def end(self) -> None:
        """End a look."""
        self._flying -= 1

    def answered(self) -> None:
        """Take note of a look that was answered: the rate goes up again."""
        self._rate = min(self._full, self._rate + self._full * _RECOVERY)

    def refused(self, ticks: float, asked: float | None) -> None:
        """Take note of a 429: no look until the pause is over, and half as many after it."""
        self._until = max(self._until, ticks + (_PAUSE if asked is None else asked))
        if ticks - self._lowered >= _ECHO:
            self._rate = max(_LOWEST, self._rate / 2)
            self._lowered = ticks
