"""How long to wait between two looks at a task: as long as what is known of it allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, frozen

if TYPE_CHECKING:
    from wanflow._core.snapshot import Snapshot

_FIRST = 0.5
_GROWTH = 1.5
_CEILING = 5.0
_SPREAD = 0.2
# However surely callbacks come, a task is looked at so often, in seconds.
_SLOWEST = 30.0


@frozen
class Track:
    """What is known of a task's course. Moments are in ticks, in seconds.

    `begun` is when it was submitted, as far as is known; `estimate` the seconds that the API
    said it takes; `first` and `last` are the first and the last moment at which its progress
    was seen to have changed, each with the progress in percent.
    """

    begun: float
    looks: int = 0
    estimate: float | None = None
    first: tuple[float, int] | None = None
    last: tuple[float, int] | None = None

    def seen(self, ticks: float, snapshot: Snapshot) -> Track:
        """Return what is known after a look."""
        return evolve(self, looks=self.looks + 1)

    def interval(self, ticks: float, chance: float) -> float:
        """Return the seconds until the next look; `chance` in [0, 1) spreads those of twins."""
        base = min(_CEILING, _FIRST * _GROWTH ** min(self.looks, 20))
        return base * (1 - _SPREAD / 2 + _SPREAD * chance)


def stretched(wanted: float, factor: float) -> float:
    """Return an interval that callbacks allow to be longer, up to half a minute."""
    return max(wanted, min(wanted * factor, _SLOWEST))


def pause(wanted: float, asked: float | None, left: float) -> float:
    """Return the seconds to sleep: what the server asked for if that is longer, never past the end.

    Args:
        wanted: the pacing's own interval.
        asked: the server's Retry-After.
        left: seconds until the deadline.
    """
    return max(0.0, min(max(wanted, asked or 0.0), left))
