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

_RATE_WINDOW = 60.0
"""Seconds over which the rate is measured."""
_LINE_INTERVAL = 5.0
_MINUTE = 60.0
_MAX_ERROR_LENGTH = 160


class Throughput:
    """Jobs done a second, over the last minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()

    def record(self, done: int) -> None:
        """Take in how many are done now."""
        moment = self._clock()
        self._samples.append((moment, done))
        while len(self._samples) > 2 and moment - self._samples[0][0] > _RATE_WINDOW:  # noqa: PLR2004
            self._samples.popleft()

    @property
    def rate(self) -> float:
        """Jobs a second, 0 while nothing is known."""
        if not self._samples:
            return 0.0
        (first, before), (last, after) = self._samples[0], self._samples[-1]
        return (after - before) / (last - first) if last > first else 0.0

    def time_for(self, jobs: int) -> float | None:
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

    def show(self, progress: BatchProgress) -> None:
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
        self._throughput = Throughput(clock)
        self._next_line_at = float("-inf")
        self._last_line: str = ""
        self._last: BatchProgress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._last is not None:
            self._write_line(self._last)

    def show(self, progress: BatchProgress) -> None:
        """Write the line, if it is time for one."""
        self._last = progress
        self._throughput.record(progress.done)
        if self._clock() >= self._next_line_at:
            self._write_line(progress)

    def note(self, text: str) -> None:
        """Write a line."""
        self._write(text)

    def path(self, path: Path) -> None:
        """Print a line."""
        click.echo(os.fsencode(path))

    def _write_line(self, progress: BatchProgress) -> None:
        line = progress_text(progress, self._throughput)
        if line != self._last_line:
            self._write(line)
            self._last_line, self._next_line_at = line, self._clock() + _LINE_INTERVAL


class LiveProgress:
    """Keeps one screen up to date: totals, rate, credits, time left, and the latest troubles."""

    # A line below it, and the cursor, which it hides.
    reset = "\n\x1b[?25h"

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        # It is asked for what to draw as soon as there is a live display.
        self._throughput = Throughput()
        self._last: BatchProgress | None = None
        self._apart = not sys.stdout.isatty()
        console = Console(stderr=True, markup=False, highlight=False)
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._render)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, progress: BatchProgress) -> None:
        """Take in how the batch stands; the screen shows it when it is drawn next."""
        self._last = progress
        self._throughput.record(progress.done)

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

        tally = self._last
        if tally is None:
            return Text("checking every line …")
        return Group(
            # A bar ends no line of its own.
            Padding(ProgressBar(total=max(1, tally.total), completed=tally.done), 0),
            Text(progress_text(tally, self._throughput)),
            *(Text(f"! {_shortened(trouble)}", style="yellow") for trouble in tally.recent_errors),
        )


def progress_text(progress: BatchProgress, throughput: Throughput) -> str:
    """Say how a batch stands in one line."""
    left = throughput.time_for(progress.total - progress.done)
    parts = [
        f"{progress.done}/{progress.total} done",
        *_nonzero(failed=progress.failed, uncertain=progress.uncertain),
        *_nonzero(submitting=progress.submitting, running=progress.running, saving=progress.saving),
        f"{progress.credits:g} credits",
        f"{throughput.rate * _MINUTE:.0f}/min",
        *(
            [f"{duration(left)} left"]
            if left is not None and progress.done < progress.total
            else []
        ),
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


def _nonzero(**counts: int) -> list[str]:
    return [f"{count} {name}" for name, count in counts.items() if count]


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_ERROR_LENGTH else f"{line[:_MAX_ERROR_LENGTH]}…"


def to_stderr(text: str) -> None:
    """Write a line to stderr, if anybody is there to read it."""
    with suppress(OSError):
        click.echo(text, err=True)
