"""The time that tasks live by: the machine's, or one that somebody moves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable


_MAX_ADVANCE = 1e10


class Clock(Protocol):
    """Tells the time in seconds since 1970, and can be moved forward."""

    @property
    def runs(self) -> bool:
        """Whether time passes by itself."""
        ...

    def now(self) -> float:
        """Return the present moment."""
        ...

    def advance(self, seconds: float) -> float:
        """Move forward and return the new moment.

        Raises:
            ValueError: the clock would go back, or nowhere that a number can say.
        """
        ...

    def on_advance(self, call: Callable[[], None]) -> None:
        """Have something called after each move, in the thread that moved the clock."""
        ...


@define(eq=False)
class _MovableClock:
    """What clocks have in common: how far they were moved, and who wants to know."""

    _moved: float = field(default=0.0, init=False)
    _calls: list[Callable[[], None]] = field(factory=list, init=False, repr=False)  # pyright: ignore[reportUnknownVariableType]

    def advance(self, seconds: float) -> float:
        """Move forward and return the new moment.

        Raises:
            ValueError: the clock would go back, or nowhere that a number can say.
        """
        if not 0 <= seconds <= _MAX_ADVANCE:
            raise ValueError(f"a clock advances by 0 to {_MAX_ADVANCE:.0f} seconds, not {seconds}")
        self._moved += seconds
        for call in tuple(self._calls):
            call()
        return self.now()

    def on_advance(self, call: Callable[[], None]) -> None:
        """Have something called after each move, in the thread that moved the clock."""
        self._calls.append(call)

    def now(self) -> float:
        """Return the present moment."""
        raise NotImplementedError


@define(eq=False)
class RealClock(_MovableClock):
    """The machine's clock, ahead by whatever it was moved."""

    runs = True

    def now(self) -> float:
        """Return the present moment."""
        return time.time() + self._moved


@define(eq=False)
class VirtualClock(_MovableClock):
    """A clock that stands still until somebody moves it, so that minutes cost nothing."""

    start: float = 1_750_000_000.0
    runs = False

    def now(self) -> float:
        """Return the moment that the clock was last moved to."""
        return self.start + self._moved
