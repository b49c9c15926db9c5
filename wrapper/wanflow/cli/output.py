"""The output of a command: text, or lines of JSON."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import click

from wanflow.cli.json_output import emit
from wanflow.cli.progress import LineDisplay, log_to_display, make_display, status_text
from wanflow.cli.text import one_line

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from wanflow import Result, Snapshot, Task
    from wanflow.events import Event


class _State(NamedTuple):
    """The state of a task, as an event has it."""

    status: str
    progress: int | None
    done: bool = False


class TextOutput:
    """Text: progress on stderr; ids, paths and URLs on stdout, one per line."""

    def __init__(self) -> None:
        self._display = make_display()

    @contextmanager
    def showing_progress(self) -> Generator[None]:
        """Show the display, and the log in it."""
        with ExitStack() as stack:
            stack.enter_context(self._display)
            stack.enter_context(log_to_display(self._display))
            yield

    on_update = None

    def on_event(self, event: Event) -> None:
        """Show the task that was submitted or polled."""
        from wanflow.events import Polled, Submitted

        match event:
            case Submitted(task_id=str(task_id)):
                self._display.show(task_id, _State(event.status or "", event.progress))
            case Polled(task_id=str(task_id), operation="wait"):
                self._display.show(task_id, _State(event.status, event.progress, event.done))
            case _:
                pass

    def submitted(self, task: Task) -> None:
        """Print the id."""
        click.echo(one_line(task.id))

    def status(self, snapshot: Snapshot) -> None:
        """Print the status, the failure, and the URLs."""
        click.echo(f"{one_line(snapshot.id)}  {status_text(snapshot)}")
        if snapshot.failure is not None:
            click.echo(one_line(f"{snapshot.failure.code}: {snapshot.failure.message}"))
        for url in snapshot.urls:
            click.echo(one_line(url))

    def done(self, result: Result, paths: list[Path]) -> None:
        """Print the paths, or the URLs."""
        for path in paths:
            click.echo(os.fsencode(path))
        if paths:
            return
        for url in result.urls:
            click.echo(one_line(url))
        self._display.note("these URLs expire after 24 hours; save the files with wanflow download")


class JsonOutput:
    """JSON: one object per line on stdout."""

    def __init__(self, *, submits: bool) -> None:
        self._is_new_task = submits

    @contextmanager
    def showing_progress(self) -> Generator[None]:
        """Write the library's log to stderr."""
        with log_to_display(LineDisplay()):
            yield

    on_event = None

    def on_update(self, snapshot: Snapshot) -> None:
        """Emit `submitted` for a new task, then `update`, and `completed` with the URLs."""
        event = (
            "submitted" if self._is_new_task else "completed" if snapshot.succeeded else "update"
        )
        self._is_new_task = False
        emit(event, **_snapshot_as_dict(snapshot))

    def submitted(self, task: Task) -> None:
        """Emit `submitted`."""
        known = _snapshot_as_dict(task.snapshot) if task.snapshot else {"task_id": task.id}
        emit("submitted", **known)

    def status(self, snapshot: Snapshot) -> None:
        """Emit `status`."""
        emit("status", **_snapshot_as_dict(snapshot))

    def done(self, result: Result, paths: list[Path]) -> None:
        """Emit `saved` for each file."""
        for path in paths:
            emit("saved", task_id=result.task_id, path=str(path))


Output: TypeAlias = TextOutput | JsonOutput
"""Prints events. Results go to stdout, everything else to stderr."""


def make_output(*, as_json: bool, submits: bool = False) -> Output:
    """Return the output in the chosen format; `submits` if the command creates a task."""
    return JsonOutput(submits=submits) if as_json else TextOutput()


def _snapshot_as_dict(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot as a dict, without unknown values."""
    failure = snapshot.failure
    facts: dict[str, Any] = {
        "task_id": snapshot.id,
        "model": snapshot.model,
        "status": snapshot.status,
        "progress": snapshot.progress,
        "created": snapshot.created,
        "estimated_time": snapshot.estimated_time,
        "urls": list(snapshot.urls) or None,
        "usage": snapshot.usage or None,
        "error": {"code": failure.code, "message": failure.message} if failure else None,
    }
    return {name: fact for name, fact in facts.items() if fact is not None}
