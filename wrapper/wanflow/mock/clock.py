"""The clock of tasks: the system's, or one that only tests advance."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable


_MAX_ADVANCE = 1e10


class Clock(Protocol):
    """A Unix time that can be advanced."""

    @property
    def runs(self) -> bool:
        """Whether time passes by itself."""
        ...

    def now(self) -> float:
        """Return the current Unix time."""
        ...

    def advance(self, seconds: float) -> float:
        """Advance the clock and return the new time.

        Raises:
            ValueError: `seconds` is negative or too large.
        """
        ...

    def on_advance(self, call: Callable[[], None]) -> None:
        """Register a function to call after each advance, in the thread that advanced the clock."""
        ...


@define(eq=False)
class _MovableClock:
    """What clocks share: the seconds they were advanced by, and the functions to call."""

    _moved: float = field(default=0.0, init=False)
    _calls: list[Callable[[], None]] = field(factory=list, init=False, repr=False)  # pyright: ignore[reportUnknownVariableType]

    def advance(self, seconds: float) -> float:
        """Advance the clock and return the new time.

        Raises:
            ValueError: `seconds` is negative or too large.
        """
        if not 0 <= seconds <= _MAX_ADVANCE:
            raise ValueError(
                f"a clock can be advanced by 0 to {_MAX_ADVANCE:.0f} seconds, not {seconds}"
            )
        self._moved += seconds
        for call in tuple(self._calls):
            call()
        return self.now()

    def on_advance(self, call: Callable[[], None]) -> None:
        """Register a function to call after each advance, in the thread that advanced the clock."""
        self._calls.append(call)

    def now(self) -> float:
        """Return the current Unix time."""
        raise NotImplementedError


@define(eq=False)
class RealClock(_MovableClock):
    """The system's clock, plus the seconds it was advanced by."""

    runs = True

    def now(self) -> float:
        """Return the current Unix time."""
        return time.time() + self._moved


@define(eq=False)
class VirtualClock(_MovableClock):
    """A clock that only moves when it is advanced, so tests needn't wait."""

    start: float = 1_750_000_000.0
    runs = False

    def now(self) -> float:
        """Return the time that the clock was last advanced to."""
        return self.start + self._moved
