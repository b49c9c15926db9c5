"""How long to wait between two looks at a task."""

from __future__ import annotations

_FIRST = 0.5
_GROWTH = 1.5
_CEILING = 5.0
_SPREAD = 0.2


def interval(look: int, chance: float) -> float:
    """Return the seconds after look number `look` (from 0): half a second, growing to five.

    `chance` in [0, 1) spreads the looks of tasks that were submitted together by ten per cent
    either way.
    """
    base = min(_CEILING, _FIRST * _GROWTH ** min(look, 20))
    return base * (1 - _SPREAD / 2 + _SPREAD * chance)


def pause(wanted: float, asked: float | None, left: float) -> float:
    """Return the seconds to sleep: what the server asked for if that is longer, never past the end.

    Args:
        wanted: the pacing's own interval.
        asked: the server's Retry-After.
        left: seconds until the deadline.
    """
    return max(0.0, min(max(wanted, asked or 0.0), left))
