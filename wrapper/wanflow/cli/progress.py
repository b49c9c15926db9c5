"""How tasks under way are shown on stderr: live on a terminal, line by line elsewhere."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, Self

import click

from wanflow._log import RETURNED
from wanflow.cli.text import one_line

if TYPE_CHECKING:
    from collections.abc import Generator

    from wanflow import Snapshot


class NoteWriter(Protocol):
    """Takes sentences to be shown."""

    def note(self, text: str) -> None:
        """Say something beside what else is shown."""
        ...


class Display(NoteWriter, Protocol):
    """Shows any number of tasks, from any thread, between its start and its end."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(self, *_: object) -> None:
        """Leave the screen as a record of what was last seen."""
        ...

    def show(self, name: str, snapshot: Snapshot) -> None:
        """Show how a task stands, under a name that stays its own."""
        ...


class LineDisplay:
    """Writes a line whenever a task's status or progress has changed."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, name: str, snapshot: Snapshot) -> None:
        """Write the line, unless it is the last one again."""
        line = f"{name}  {status_text(snapshot)}"
        if self._last.get(name) != line:
            self._last[name] = line
            self.note(line)

    def note(self, text: str) -> None:
        """Write a line."""
        click.echo(one_line(text), err=True)


class LiveDisplay:
    """A bar for each task, redrawn in place; needs a terminal, and the package rich."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        # No markup and no highlighting: names and words come from elsewhere.
        self._progress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[standing]}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True, markup=False, highlight=False),
            redirect_stdout=False,
        )
        self._bars: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, name: str, snapshot: Snapshot) -> None:
        """Draw the task's bar as far as the task is."""
        words = status_text(snapshot)
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(one_line(name), standing=words)
        done = 100 if snapshot.done else snapshot.progress or 0
        self._progress.update(self._bars[name], completed=done, standing=words)

    def note(self, text: str) -> None:
        """Write a line above the bars."""
        self._progress.console.print(one_line(text))


def make_display() -> Display:
    """Return the display that suits stderr."""
    lively = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return LiveDisplay() if lively and find_spec("rich") else LineDisplay()


def status_text(snapshot: Snapshot) -> str:
    """Say how a task stands: its status, and its progress where that says more."""
    word = one_line(snapshot.status) or "no status"
    if snapshot.done or snapshot.progress is None:
        return word
    return f"{word} {snapshot.progress} %"


@contextmanager
def log_to_display(display: NoteWriter, level: int = logging.INFO) -> Generator[None]:
    """Show what the library logs as notes, but for what the command itself says."""
    logger = logging.getLogger("wanflow")
    handler = _NoteHandler(display, level)
    before = (logger.level, logger.propagate)
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before


class _NoteHandler(logging.Handler):
    def __init__(self, display: NoteWriter, level: int) -> None:
        super().__init__(level)
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        if not RETURNED.keys() <= vars(record).keys():
            self._display.note(record.getMessage())
