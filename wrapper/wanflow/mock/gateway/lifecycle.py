"""How a task progresses to its end: immediately, after polls, or after seconds."""

from __future__ import annotations

from typing import Literal, Protocol, cast

from attrs import field, frozen
from attrs.validators import ge, in_

PENDING, PROCESSING, ENDED = "pending", "processing", "ended"

Estimate = Literal["true", "wrong", "absent"]
Progress = Literal["smooth", "stepwise", "stuck"]
_ESTIMATES: tuple[Estimate, ...] = ("true", "wrong", "absent")
_PROGRESS: tuple[Progress, ...] = ("smooth", "stepwise", "stuck")
_STUCK_AT = 40
_STEP = 25


@frozen
class Phase:
    """A task's state: pending, processing or ended, and its progress in percent."""

    name: str
    progress: int


_START = Phase(PENDING, 0)
_END = Phase(ENDED, 100)


class Progression(Protocol):
    """Decides a task's phase by the polls and seconds since its submission."""

    def phase(self, polls: int, elapsed: float) -> Phase:
        """Return the phase after a number of polls and seconds."""
        ...

    def last_progress(self) -> int:
        """Return the highest progress before the end, which a failed task keeps."""
        ...

    def estimate(self, nominal: int) -> int | None:
        """Return the estimated time to report, in seconds, for a nominal duration."""
        ...

    def ends_after(self) -> float | None:
        """Return the seconds after which a task ends without polls, None if it doesn't."""
        ...


@frozen
class Immediate:
    """A task ends before its submit response."""

    def phase(self, polls: int, elapsed: float) -> Phase:  # noqa: ARG002 - a Progression
        """Return the end."""
        return _END

    def last_progress(self) -> int:
        """Return 0: there is no progress before the end."""
        return 0

    def estimate(self, nominal: int) -> int | None:  # noqa: ARG002 - a Progression
        """Return 0 seconds."""
        return 0

    def ends_after(self) -> float | None:
        """Return 0: it ends immediately."""
        return 0.0


@frozen
class AfterPolls:
    """A task ends at its `n`-th poll, and is processing at earlier ones."""

    n: int = field(default=2, validator=ge(1))

    def phase(self, polls: int, elapsed: float) -> Phase:  # noqa: ARG002 - a Progression
        """Return the phase at a poll; the submit response is poll 0."""
        if polls >= self.n:
            return _END
        return Phase(PROCESSING, 100 * polls // self.n) if polls else _START

    def last_progress(self) -> int:
        """Return the progress at the last poll before the end."""
        return 100 * (self.n - 1) // self.n

    def estimate(self, nominal: int) -> int | None:  # noqa: ARG002 - a Progression
        """Return 0 seconds: polls take no time."""
        return 0

    def ends_after(self) -> float | None:
        """Return None: only polls end a task."""
        return None


@frozen
class AfterSeconds:
    """A task ends after `total` seconds, the first `queue` of them pending (a fifth if None).

    Its estimate is `true`, `wrong` (a third of the true value) or `absent`; its progress is
    `smooth`, `stepwise` (by quarters) or `stuck` at 40 % until the end. A total of infinity never
    ends.
    """

    total: float = field(default=5.0, validator=ge(0))
    queue: float | None = None
    announced: Estimate = field(default="true", validator=in_(_ESTIMATES))
    progress: Progress = field(default="smooth", validator=in_(_PROGRESS))

    def phase(self, polls: int, elapsed: float) -> Phase:  # noqa: ARG002 - a Progression
        """Return the phase after some seconds."""
        queue = self._queue()
        if elapsed >= self.total:
            return _END
        if elapsed < queue:
            return _START
        return Phase(PROCESSING, self._report(int(100 * (elapsed - queue) / (self.total - queue))))

    def last_progress(self) -> int:
        """Return the highest progress before the end."""
        return self._report(99)

    def estimate(self, nominal: int) -> int | None:
        """Return the estimated time in whole seconds."""
        if self.announced == "absent":
            return None
        total = nominal if self.total == float("inf") else self.total
        return -int(-(total if self.announced == "true" else total / 3) // 1)

    def ends_after(self) -> float | None:
        """Return the total, None if it is infinite."""
        return None if self.total == float("inf") else self.total

    def _queue(self) -> float:
        if self.queue is not None:
            return min(self.queue, self.total)
        return 1.0 if self.total == float("inf") else self.total / 5

    def _report(self, percent: int) -> int:
        match self.progress:
            case "smooth":
                return percent
            case "stepwise":
                return percent // _STEP * _STEP
            case "stuck":
                return min(percent, _STUCK_AT)


SYNTAX = (
    "immediately, never, polls=N, or seconds=S with queue=S, estimate=true|wrong|absent "
    "and progress=smooth|stepwise|stuck"
)


def parse_progression(text: str) -> Progression:
    """Parse the text form of a progression.

    Raises:
        ValueError: the text isn't valid; the message lists the valid forms.
    """
    words = dict(_pair(part) for part in text.split(","))
    try:
        return _progression(words)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{text!r} is not a progression; write {SYNTAX}") from error


def format_progression(progression: Progression) -> str:
    """Return the text form of a progression, for `parse_progression`.

    Raises:
        TypeError: the progression is of another class.
    """
    match progression:
        case Immediate():
            return "immediately"
        case AfterPolls(n=count):
            return f"polls={count}"
        case AfterSeconds():
            queue = "" if progression.queue is None else f",queue={progression.queue!r}"
            estimate, progress = progression.announced, progression.progress
            return f"seconds={progression.total!r}{queue},estimate={estimate},progress={progress}"
        case _:
            raise TypeError(f"{progression!r} has no text form")


def _pair(part: str) -> tuple[str, str]:
    name, _, value = part.strip().partition("=")
    return name, value


def _progression(words: dict[str, str]) -> Progression:
    match words:
        case {"immediately": "", **rest} if not rest:
            return Immediate()
        case {"never": "", **rest} if not rest:
            return AfterSeconds(float("inf"))
        case {"polls": count, **rest} if not rest:
            return AfterPolls(int(count)) if int(count) else Immediate()
        case {"seconds": total, **rest}:
            return _seconds(total, **rest)
        case _:
            raise ValueError(words)


def _seconds(
    total: str, *, queue: str | None = None, estimate: str = "true", progress: str = "smooth"
) -> AfterSeconds:
    seconds, waiting = float(total), None if queue is None else float(queue)
    if seconds != seconds or (waiting is not None and not waiting >= 0):  # noqa: PLR0124 - NaN
        raise ValueError(total)
    return AfterSeconds(seconds, waiting, cast("Estimate", estimate), cast("Progress", progress))
