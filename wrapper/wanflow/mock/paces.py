"""Paces as people write them: `immediately`, `looks=3`, `seconds=60,queue=10,progress=stuck`."""

from __future__ import annotations

from typing import cast

from wanflow.mock.pace import Estimate, Immediately, Looks, Pace, Progress, Seconds

FORMS = (
    "immediately, never, looks=N, or seconds=S with queue=S, estimate=true|wrong|absent "
    "and progress=smooth|stepwise|stuck"
)


def pace_of(text: str) -> Pace:
    """Read a pace.

    Raises:
        ValueError: the text is none; the message says what would be.
    """
    words = dict(_pair(part) for part in text.split(","))
    try:
        return _pace(words)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{text!r} is no pace; write {FORMS}") from error


def written(pace: Pace) -> str:
    """Write a pace so that `pace_of` reads it again.

    Raises:
        TypeError: the pace is somebody's own kind.
    """
    match pace:
        case Immediately():
            return "immediately"
        case Looks(n=count):
            return f"looks={count}"
        case Seconds():
            queue = "" if pace.queue is None else f",queue={pace.queue!r}"
            return (
                f"seconds={pace.total!r}{queue},estimate={pace.announced},progress={pace.progress}"
            )
        case _:
            raise TypeError(f"{pace!r} has no written form")


def _pair(part: str) -> tuple[str, str]:
    name, _, value = part.strip().partition("=")
    return name, value


def _pace(words: dict[str, str]) -> Pace:
    match words:
        case {"immediately": "", **rest} if not rest:
            return Immediately()
        case {"never": "", **rest} if not rest:
            return Seconds(float("inf"))
        case {"looks": count, **rest} if not rest:
            return Looks(int(count)) if int(count) else Immediately()
        case {"seconds": total, **rest}:
            return _seconds(total, **rest)
        case _:
            raise ValueError(words)


def _seconds(
    total: str, *, queue: str | None = None, estimate: str = "true", progress: str = "smooth"
) -> Seconds:
    seconds, waiting = float(total), None if queue is None else float(queue)
    if seconds != seconds or (waiting is not None and not waiting >= 0):  # noqa: PLR0124 - NaN
        raise ValueError(total)
    return Seconds(seconds, waiting, cast("Estimate", estimate), cast("Progress", progress))
