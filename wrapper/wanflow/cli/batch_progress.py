"""How a batch is shown: one live screen on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, Self

import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wanflow.batch.models import BatchProgress

_SPAN = 60.0
"""Seconds over which the rate is measured."""
_LINE_EVERY = 5.0
_MINUTE = 60.0
_LONGEST = 160


class Throughput:
    """Jobs done a second, over the last minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()

    def see(self, done: int) -> None:
        """Take in how many are done now."""
        moment = self._clock()
        self._seen.append((moment, done))
        while len(self._seen) > 2 and moment - self._seen[0][0] > _SPAN:  # noqa: PLR2004
            self._seen.popleft()

    @property
    def rate(self) -> float:
        """Jobs a second, 0 while nothing is known."""
        if not self._seen:
            return 0.0
        (first, before), (last, after) = self._seen[0], self._seen[-1]
        return (after - before) / (last - first) if last > first else 0.0

    def left(self, jobs: int) -> float | None:
        """Return the seconds that some jobs will take, None while nothing is known."""
        return jobs / self.rate if self.rate > 0 else None


class Progress(Protocol):
    """Is told how a batch stands; `reset` is written where it can't be ended before other text."""

    reset: str

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(self, *_: object) -> None:
        """Show the last of it."""
        ...

    def show(self, tally: BatchProgress) -> None:
        """Show how the batch stands."""
        ...

    def note(self, text: str) -> None:
        """Say something beside it."""
        ...

    def path(self, path: Path) -> None:
        """Print where a file is, for whoever reads stdout."""
        ...


class LineProgress:
    """Writes a line to stderr every few seconds, where something has changed."""

    reset = "\n"

    def __init__(
        self, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._clock = clock
        self._speed = Throughput(clock)
        self._due = float("-inf")
        self._said: str = ""
        self._last: BatchProgress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._last is not None:
            self._say(self._last)

    def show(self, tally: BatchProgress) -> None:
        """Write the line, if it is time for one."""
        self._last = tally
        self._speed.see(tally.done)
        if self._clock() >= self._due:
            self._say(tally)

    def note(self, text: str) -> None:
        """Write a line."""
        self._write(text)

    def path(self, path: Path) -> None:
        """Print a line."""
        click.echo(os.fsencode(path))

    def _say(self, tally: BatchProgress) -> None:
        line = sentence_of(tally, self._speed)
        if line != self._said:
            self._write(line)
            self._said, self._due = line, self._clock() + _LINE_EVERY


class LiveProgress:
    """Keeps one screen up to date: totals, rate, credits, time left, and the latest troubles."""

    # A line below it, and the cursor, which it hides.
    reset = "\n\x1b[?25h"

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        # It is asked for what to draw as soon as there is a live display.
        self._speed = Throughput()
        self._tally: BatchProgress | None = None
        self._apart = not sys.stdout.isatty()
        console = Console(stderr=True, markup=False, highlight=False)
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._render)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, tally: BatchProgress) -> None:
        """Take in how the batch stands; the screen shows it when it is drawn next."""
        self._tally = tally
        self._speed.see(tally.done)

    def note(self, text: str) -> None:
        """Write a line above the screen."""
        self._live.console.print(text)

    def path(self, path: Path) -> None:
        """Print a line, unless it would run into the screen: the report has it, too."""
        if self._apart:
            click.echo(os.fsencode(path))

    def _render(self) -> Any:
        from rich.console import Group
        from rich.padding import Padding
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        tally = self._tally
        if tally is None:
            return Text("checking every line …")
        return Group(
            # A bar ends no line of its own.
            Padding(ProgressBar(total=max(1, tally.total), completed=tally.done), 0),
            Text(sentence_of(tally, self._speed)),
            *(Text(f"! {_short(trouble)}", style="yellow") for trouble in tally.troubles),
        )


def sentence_of(tally: BatchProgress, speed: Throughput) -> str:
    """Say how a batch stands in one line."""
    left = speed.left(tally.total - tally.done)
    parts = [
        f"{tally.done}/{tally.total} done",
        *_some(failed=tally.failed, uncertain=tally.uncertain),
        *_some(submitting=tally.submitting, running=tally.running, saving=tally.saving),
        f"{tally.credits:g} credits",
        f"{speed.rate * _MINUTE:.0f}/min",
        *([f"{duration(left)} left"] if left is not None and tally.done < tally.total else []),
    ]
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Write a duration as people say it."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _some(**counts: int) -> list[str]:
    return [f"{count} {name}" for name, count in counts.items() if count]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def to_stderr(text: str) -> None:
    """Write a line to stderr, if anybody is there to read it."""
    with suppress(OSError):
        click.echo(text, err=True)
