"""Progress in a notebook: a table below each cell, of its tasks, which changes in place."""

from __future__ import annotations

import sys
import time
from html import escape
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow import events

if TYPE_CHECKING:
    from wanflow.events import Event

MAX_ROWS = 20
"""Of more tasks, the latest are shown, and the others are counted."""
_MIN_INTERVAL = 0.1
"""Seconds between two changes of a table that only show a poll."""


@frozen
class _State:
    """What is known of a task; once it has `ended`, nothing more is done for it."""

    text: str
    progress: int | None = None
    ended: bool = False


class NotebookProgress:
    """Shows the events of a client's tasks; any thread may call it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._cell: object = None
        self._current = _Table()
        # The tables of the tasks for which something is done.
        self._tables: dict[str, _Table] = {}

    def __call__(self, event: Event) -> None:
        """Show an event, if it changes what is known of a task."""
        state, task_id = _state(event), event.task_id
        if state is None or task_id is None:
            return
        with self._lock:
            table = self._tables.setdefault(task_id, self._table_of_cell())
            if state.ended:
                del self._tables[task_id]
            table.show(task_id, state, later=event.kind == "polled")

    def _table_of_cell(self) -> _Table:
        """Return the table of the cell that runs now."""
        cell = getattr(_kernel_shell(), "execution_count", None)
        if cell != self._cell:
            self._cell, self._current = cell, _Table()
        return self._current


class _Table:
    """The tasks that began in a cell."""

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}
        self._handle: Any = None
        self._shown_at = -_MIN_INTERVAL

    def show(self, task_id: str, state: _State, *, later: bool) -> None:
        """Show the state of a task; with `later`, the next change may show it."""
        self._states[task_id] = state
        now = time.monotonic()
        if later and now - self._shown_at < _MIN_INTERVAL:
            return
        self._shown_at = now
        content = {"text/plain": self._as_text(), "text/html": self._as_html()}
        if self._handle is None:
            display = import_module("IPython.display").display
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)

    def _as_text(self) -> str:
        lines = [f"{task_id}  {_status(state)}" for task_id, state in self._latest()]
        return "\n".join([*lines, *self._summary()])

    def _as_html(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(task_id)}</td><td>{_bar(state)}</td>"
            f"<td>{escape(_status(state))}</td></tr>"
            for task_id, state in self._latest()
        )
        return f"<table>{rows}</table>" + "".join(f"<p>{line}</p>" for line in self._summary())

    def _latest(self) -> list[tuple[str, _State]]:
        return list(self._states.items())[-MAX_ROWS:]

    def _summary(self) -> list[str]:
        count = len(self._states)
        ended = sum(state.ended for state in self._states.values())
        return [] if count <= MAX_ROWS else [f"{count} tasks, of which {ended} have ended"]


def notebook_progress() -> NotebookProgress | None:
    """Return what shows the progress of a new client in a notebook; None elsewhere."""
    return None if _kernel_shell() is None else NotebookProgress()


def _kernel_shell() -> Any:
    """Return the shell of the Jupyter kernel that this process is; None if it is none."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell if hasattr(shell, "kernel") else None


def _state(event: Event) -> _State | None:  # noqa: C901, PLR0911 - one case a kind
    """Return what an event says of its task; None if it changes nothing that is shown."""
    match event:
        case events.Submitted():
            return _State(event.status or "submitted", event.progress)
        case events.AlreadySubmitted():
            return _State("submitted before")
        case events.Polled(operation="wait"):
            return _State(event.status, 100 if event.done else event.progress)
        case events.Completed(operation="wait"):
            return _State("completed", 100, ended=True)
        case events.Failed(operation="wait"):
            return _State(f"failed: {event.code or 'no code'}", ended=True)
        case events.WaitTimedOut():
            return _State(f"not done within {event.timeout:g} s", ended=True)
        case events.WaitFailed():
            return _State(f"the wait ended: {event.error}", ended=True)
        case events.DownloadStarted():
            return _State("saving", 100)
        case events.Saved():
            return _State(f"saved {event.path}", 100, ended=True)
        case events.DownloadFailed():
            return _State(f"not saved: {event.error}", 100, ended=True)
        case events.Interrupted():
            return _State(f"{event.operation} interrupted: {event.error}", ended=True)
        case _:
            return None


def _status(state: _State) -> str:
    shown = state.progress if state.progress not in {None, 100} else None
    return state.text if shown is None else f"{state.text} {shown} %"


def _bar(state: _State) -> str:
    value = "" if state.progress is None else f' value="{state.progress:d}"'
    return f'<progress max="100"{value}></progress>' if value or not state.ended else ""
