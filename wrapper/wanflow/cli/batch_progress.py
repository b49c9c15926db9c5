"""The progress display of a batch: live on a terminal, else a line every few seconds."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from wanflow.batch.total import Total
from wanflow.cli.progress import Lines, Live, stderr_console, to_stderr

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wanflow.batch.models import BatchProgress

_RATE_WINDOW = 60.0
"""Seconds over which the throughput is measured."""
_LINE_INTERVAL = 5.0
_MINUTE = 60.0
_MAX_ERROR_LENGTH = 160


class Throughput:
    """Jobs done per second, over the last minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()

    def record(self, done: int) -> None:
        """Record the number of jobs that are done now."""
        now = self._clock()
        self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[0][0] > _RATE_WINDOW:  # noqa: PLR2004
            self._samples.popleft()

    @property
    def rate(self) -> float:
        """Jobs per second, 0 if unknown."""
        if not self._samples:
            return 0.0
        (first, before), (last, after) = self._samples[0], self._samples[-1]
        return (after - before) / (last - first) if last > first else 0.0

    def time_for(self, jobs: int) -> float | None:
        """Return the seconds that a number of jobs will take, None if unknown."""
        return jobs / self.rate if self.rate > 0 else None


class LineProgress(Lines):
    """Writes a line every few seconds, if something has changed."""

    def __init__(
        self,
        write: Callable[[str], object] = to_stderr,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(write)
        self._clock = clock
        self._throughput = Throughput(clock)
        self._next_line_at = float("-inf")
        self._last_line: str = ""
        self._last: BatchProgress | None = None

    def __exit__(self, *_: object) -> None:
        if self._last is not None:
            self._write_line(self._last)

    def show(self, progress: BatchProgress) -> None:
        """Write a line if one is due."""
        self._last = progress
        self._throughput.record(progress.done)
        if self._clock() >= self._next_line_at:
            self._write_line(progress)

    def path(self, path: Path) -> None:
        """Print the path."""
        click.echo(os.fsencode(path))

    def _write_line(self, progress: BatchProgress) -> None:
        line = progress_text(progress, self._throughput)
        if line != self._last_line:
            self._write(line)
            self._last_line, self._next_line_at = line, self._clock() + _LINE_INTERVAL


class LiveProgress(Live):
    """Redraws a display with totals, throughput, credits, remaining time and latest errors."""

    def __init__(self) -> None:
        import rich.live

        self._throughput = Throughput()
        self._last: BatchProgress | None = None
        self._stdout_is_separate = not sys.stdout.isatty()
        super().__init__(
            rich.live.Live(
                console=stderr_console(), refresh_per_second=4, get_renderable=self._render
            )
        )

    def show(self, progress: BatchProgress) -> None:
        """Store the progress for the next redraw."""
        self._last = progress
        self._throughput.record(progress.done)

    def path(self, path: Path) -> None:
        """Print the path, unless stdout is the terminal of the display (it is in the report)."""
        if self._stdout_is_separate:
            click.echo(os.fsencode(path))

    def _render(self) -> Any:
        from rich.console import Group
        from rich.padding import Padding
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        progress = self._last
        if progress is None:
            return Text("checking all lines …")
        return Group(
            # A bar alone doesn't end its line.
            Padding(ProgressBar(total=max(1, progress.total), completed=progress.done), 0),
            Text(progress_text(progress, self._throughput)),
            *(Text(f"! {_shortened(text)}", style="yellow") for text in progress.recent_errors),
        )


Progress: TypeAlias = LineProgress | LiveProgress
"""Displays the progress of a batch."""


def progress_text(progress: BatchProgress, throughput: Throughput) -> str:
    """Return the progress in one line."""
    remaining = throughput.time_for(progress.total - progress.done)
    parts = [
        f"{progress.done}/{progress.total} done",
        *_nonzero(
            failed=progress.failed, uncertain=progress.uncertain, discarded=progress.discarded
        ),
        *_nonzero(submitting=progress.submitting, running=progress.running, saving=progress.saving),
        Total(progress.credits, progress.credits_at_most).describe(),
        f"{throughput.rate * _MINUTE:.0f}/min",
        *(
            [f"{duration(remaining)} left"]
            if remaining is not None and progress.done < progress.total
            else []
        ),
    ]
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Format a duration."""
    whole = round(seconds)
    minutes, whole = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {whole:02} s" if minutes else f"{whole} s"


def _nonzero(**counts: int) -> list[str]:
    return [f"{count} {name}" for name, count in counts.items() if count]


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_ERROR_LENGTH else f"{line[:_MAX_ERROR_LENGTH]}…"
