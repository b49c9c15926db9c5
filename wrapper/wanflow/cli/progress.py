"""The progress display of tasks on stderr: live bars on a terminal, else lines."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

import click

from wanflow._log import RETURNED, log_mode
from wanflow.cli.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import rich.live
    import rich.progress
    from rich.console import Console


def to_stderr(text: str) -> None:
    """Write a line to stderr; ignore it if stderr is closed."""
    with suppress(OSError):
        click.echo(text, err=True)


_displays: list[Lines | Live] = []


def show_warning(text: str) -> None:
    """Write a warning as a line of this program, through the display that is open."""
    write = _displays[-1].note if _displays else to_stderr
    write(one_line(f"wanflow: warning: {text}"))


class Lines:
    """A display of lines; `reset` is written before other text if it can't be closed."""

    reset = "\n"

    def __init__(self, write: Callable[[str], object] = to_stderr) -> None:
        self._write = write

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the display."""

    def note(self, text: str) -> None:
        """Write a line."""
        self._write(one_line(text))


class Live:
    """A display that is redrawn; its last state stays on the screen. It needs the package rich."""

    # A new line, and the cursor, which the display hides.
    reset = "\n\x1b[?25h"

    def __init__(self, live: rich.live.Live | rich.progress.Progress) -> None:
        self._live = live

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def note(self, text: str) -> None:
        """Print a line above the display."""
        # The terminal breaks it where it is too long: an id that rich broke couldn't be copied.
        self._live.console.print(one_line(text), soft_wrap=True)


class TaskState(Protocol):
    """What is shown of a task: a snapshot has it, and so has the event of a poll."""

    @property
    def status(self) -> str:
        """The API's status."""
        ...

    @property
    def progress(self) -> int | None:
        """The progress in percent, None if unknown."""
        ...

    @property
    def done(self) -> bool:
        """Whether the task has ended."""
        ...


class LineDisplay(Lines):
    """Writes a line when a task's status or progress has changed; any thread may use it."""

    def __init__(self, write: Callable[[str], object] = to_stderr) -> None:
        super().__init__(write)
        self._last: dict[str, str] = {}

    def show(self, name: str, state: TaskState) -> None:
        """Write the status, if it has changed."""
        line = f"{name}  {status_text(state)}"
        if self._last.get(name) != line:
            self._last[name] = line
            self.note(line)


class LiveDisplay(Live):
    """A progress bar per task; any thread may use it."""

    def __init__(self) -> None:
        from rich.progress import (
            BarColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        self._progress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[status]}", markup=False),
            TimeElapsedColumn(),
            console=stderr_console(),
            redirect_stdout=False,
        )
        super().__init__(self._progress)
        self._bars: dict[str, Any] = {}

    def show(self, name: str, state: TaskState) -> None:
        """Update the task's bar."""
        text = status_text(state)
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(one_line(name), status=text)
        done = 100 if state.done else state.progress or 0
        self._progress.update(self._bars[name], completed=done, status=text)


Display: TypeAlias = LineDisplay | LiveDisplay
"""Displays the progress of tasks."""


def make_display() -> Display:
    """Return the display for this stderr.

    Where WANFLOW_LOG writes the log there, nothing is redrawn; as JSON, it has the progress itself.
    """
    if log_mode() == "json":
        return LineDisplay(lambda _: None)
    return LiveDisplay() if supports_live_display() and not log_mode() else LineDisplay()


def supports_live_display() -> bool:
    """Whether stderr is a terminal that can be redrawn, and rich is installed."""
    is_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return is_terminal and find_spec("rich") is not None


def stderr_console() -> Console:
    """Return a rich console for stderr."""
    from rich.console import Console

    # No markup and no highlighting: the texts come from the API.
    return Console(stderr=True, markup=False, highlight=False)


def status_text(state: TaskState) -> str:
    """Return a task's status, with its progress while it is running."""
    status = one_line(state.status) or "no status"
    if state.done or state.progress is None:
        return status
    return f"{status} {state.progress} %"


@contextmanager
def log_to_display(display: Lines | Live, level: int = logging.INFO) -> Generator[None]:
    """Show the library's log messages as notes, except those that the command itself reports.

    Where WANFLOW_LOG asks for another log, there is only that one.
    """
    if log_mode():
        yield
        return
    logger = logging.getLogger("wanflow")
    handler = _NoteHandler(display, level)
    before = (logger.level, logger.propagate)
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
    _displays.append(display)
    try:
        yield
    finally:
        _displays.remove(display)
        logger.removeHandler(handler)
        logger.level, logger.propagate = before


class _NoteHandler(logging.Handler):
    def __init__(self, display: Lines | Live, level: int) -> None:
        super().__init__(level)
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        if not RETURNED.keys() <= vars(record).keys():
            self._display.note(record.getMessage())
