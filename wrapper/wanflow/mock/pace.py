"""How a task gets from pending to its end: at once, by being looked at, or by time."""

from __future__ import annotations

from typing import Protocol

from attrs import field, frozen
from attrs.validators import ge

PENDING, PROCESSING, ENDED = "pending", "processing", "ended"


@frozen
class Phase:
    """Where a task stands: pending, processing or ended, and its progress in percent."""

    name: str
    progress: int


_START = Phase(PENDING, 0)
_END = Phase(ENDED, 100)


class Pace(Protocol):
    """Decides a task's phase from what has passed since its submission."""

    def phase(self, looks: int, elapsed: float) -> Phase:
        """Return the phase after a number of looks and of seconds."""
        ...

    def last(self) -> int:
        """Return the progress just before the end, which a failed task keeps."""
        ...

    def estimate(self, nominal: int) -> int:
        """Return the seconds to announce for a task that nominally takes `nominal`."""
        ...


@frozen
class Immediately:
    """A task has ended before its submission is answered."""

    def phase(self, looks: int, elapsed: float) -> Phase:  # noqa: ARG002 - a Pace
        """Return the end."""
        return _END

    def last(self) -> int:
        """Return 0: nothing was seen before the end."""
        return 0

    def estimate(self, nominal: int) -> int:  # noqa: ARG002 - a Pace
        """Return 0 seconds."""
        return 0


@frozen
class Looks:
    """A task ends at its `n`-th query, and is processing at those before it."""

    n: int = field(default=2, validator=ge(1))

    def phase(self, looks: int, elapsed: float) -> Phase:  # noqa: ARG002 - a Pace
        """Return the phase at a query; the submission itself is look 0."""
        if looks >= self.n:
            return _END
        return Phase(PROCESSING, 100 * looks // self.n) if looks else _START

    def last(self) -> int:
        """Return the progress at the query before the last."""
        return 100 * (self.n - 1) // self.n

    def estimate(self, nominal: int) -> int:
        """Return the nominal time: looks take none of their own."""
        return nominal


@frozen
class Seconds:
    """A task ends after `total` seconds, the first fifth of them in the queue."""

    total: float = field(default=5.0, validator=ge(0))

    def phase(self, looks: int, elapsed: float) -> Phase:  # noqa: ARG002 - a Pace
        """Return the phase after some seconds; progress runs smoothly once the queue is over."""
        if elapsed >= self.total:
            return _END
        queue = self.total / 5
        if elapsed < queue:
            return _START
        return Phase(PROCESSING, int(100 * (elapsed - queue) / (self.total - queue)))

    def last(self) -> int:
        """Return the highest progress short of the end."""
        return 99

    def estimate(self, nominal: int) -> int:  # noqa: ARG002 - a Pace
        """Return the true time, in whole seconds."""
        return -int(-self.total // 1)
