"""The clock of tasks: the system's, or one that only tests advance."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_ADVANCE = 1e10


@define(eq=False)
class Clock:
    """A Unix time that can be advanced; `runs` is whether it also passes by itself."""

    runs: ClassVar[bool] = True
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
class RealClock(Clock):
    """The system's clock, plus the seconds it was advanced by."""

    def now(self) -> float:
        """Return the current Unix time."""
        return time.time() + self._moved


@define(eq=False)
class VirtualClock(Clock):
    """A clock that only moves when it is advanced, so tests needn't wait."""

    runs = False
    start: float = 1_750_000_000.0

    def now(self) -> float:
        """Return the time that the clock was last advanced to."""
        return self.start + self._moved
