"""`wanflow status`, `wait` and `download`: resume a task by its id."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from wanflow.cli.connection import Connection
from wanflow.cli.error_report import CommandContext
from wanflow.cli.ledger_options import JobReference, LedgerOptions, record_options
from wanflow.cli.options import (
    connection_options,
    name_option,
    output_dir_option,
    require_output_dir,
    timeout_option,
)
from wanflow.cli.output import make_output
from wanflow.errors import NotFound, RateLimited, ServerError, UnexpectedResponse, WaitTimeout

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from wanflow import Client, Task
    from wanflow._runtime.event_dispatcher import OnEvent

# Transient errors, and a task that may be too new to be known: the wait retries these.
_TRANSIENT = (RateLimited, ServerError, UnexpectedResponse, NotFound)


def _output_options(*, needed: bool = False) -> list[click.Parameter]:
    return [output_dir_option(required=needed), name_option(), *record_options()]


def _task_id() -> click.Argument:
    return click.Argument(["task_id"], metavar="ID", type=JobReference(tasks_only=True))


@click.command(params=[_task_id(), *record_options(), *connection_options()])
def status(task_id: str, as_json: bool, **options: Any) -> None:
    """Show a task's status."""
    with _client(options, None) as client:
        task = client.task(task_id).refresh()
    if task.snapshot is not None:
        make_output(as_json=as_json).status(task.snapshot)


@click.command(params=[_task_id(), *_output_options(), timeout_option(), *connection_options()])
def wait(
    task_id: str,
    output_dir: Path | None,
    name: str | None,
    timeout: float,
    as_json: bool,
    **options: Any,
) -> None:
    """Wait for a task and save its files."""
    require_output_dir(name, output_dir)
    events = make_output(as_json=as_json)
    with _client(options, output_dir, name, events.on_event) as client, events.showing_progress():
        task = client.task(task_id)
        _check_reachable(task)
        result = task.wait(timeout, on_update=events.on_update)
        paths = [] if output_dir is None else result.download(output_dir, name=name)
    events.done(result, paths)


@click.command(params=[_task_id(), *_output_options(needed=True), *connection_options()])
def download(
    task_id: str, output_dir: Path, name: str | None, as_json: bool, **options: Any
) -> None:
    """Save the files of a finished task."""
    events = make_output(as_json=as_json)
    with _client(options, output_dir, name) as client, events.showing_progress():
        task = client.task(task_id).refresh()
        if task.snapshot is not None and not task.snapshot.done:
            raise WaitTimeout("", snapshot=task.snapshot, task_id=task_id)
        result = task.result()
        paths = result.download(output_dir, name=name)
    events.done(result, paths)


@contextmanager
def _client(
    options: dict[str, Any],
    output_dir: Path | None,
    name: str | None = None,
    on_event: OnEvent = None,
) -> Generator[Client]:
    """Make a client with a ledger, and set the command that would resume the task."""
    connection, record = Connection.from_options(options), LedgerOptions.of(options)
    context = CommandContext.current()
    context.set_resume_options(output_dir, connection, record, name)
    context.id_given = True
    with (
        record.open() as ledger,
        connection.client(ledger=ledger, on_event=on_event) as client,
    ):
        yield client


def _check_reachable(task: Task) -> None:
    """Poll once, so that an unreachable server is reported immediately."""
    with suppress(*_TRANSIENT):
        task.refresh()
