"""`wanflow ledger`: list, show, resume, resolve, discard, delete and export recorded jobs."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import click

from wanflow.cli.connection import Connection
from wanflow.cli.error_report import CommandContext
from wanflow.cli.json_output import emit
from wanflow.cli.ledger_options import (
    JobReference,
    ledger_arguments,
    ledger_option,
    open_ledger,
    read_ledger,
)
from wanflow.cli.ledger_table import table, ways_out
from wanflow.cli.options import (
    connection_options,
    json_option,
    name_option,
    output_dir_option,
    require_output_dir,
    resubmit_option,
    timeout_option,
)
from wanflow.cli.progress import to_stderr
from wanflow.cli.text import one_line, printable
from wanflow.errors import InvalidRequest, NotFound
from wanflow.ledger.export import EXPORTERS, isoformat, summary, to_dict
from wanflow.ledger.job import Job, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from wanflow.ledger.job import Remaining
    from wanflow.ledger.ledger import Ledger
    from wanflow.ledger.resume import ResumeResult

_DAY = 86_400.0
_AGENTS_PREFIX = "mcp:"
"""Begins the names of jobs that agents submitted, which are in no batch."""
UNDONE = 15
"""The exit code where some jobs did not end well."""


@click.group("ledger")
def group() -> None:
    """List recorded jobs and resume unfinished ones."""


def _command(*params: click.Parameter, name: str) -> Callable[[Callable[..., Any]], click.Command]:
    return group.command(name, params=[*params, ledger_option()])


@_command(
    click.Option(
        ["--state", "states"], multiple=True, type=click.Choice([str(state) for state in JobState])
    ),
    click.Option(["--limit"], type=click.IntRange(1), default=100, show_default=True),
    json_option(),
    name="list",
)
def list_jobs(
    ledger: Path | str | None, states: tuple[str, ...], limit: int, as_json: bool
) -> None:
    """List the latest jobs, the newest first."""
    with read_ledger(ledger) as book:
        jobs = book.jobs(states or None, newest_first=True, limit=limit)
    if as_json:
        for job in jobs:
            emit("recorded", **to_dict(job))
        return
    for line in table(jobs, get_terminal_size().columns if sys.stdout.isatty() else None):
        click.echo(line)
    if not jobs:
        click.echo("no jobs", err=True)
    for line in ways_out(jobs, ledger):
        click.echo(one_line(line) if not line.startswith(" ") else printable(line), err=True)


@_command(
    click.Argument(["reference"], metavar="JOB", type=JobReference()), json_option(), name="show"
)
def show(ledger: Path | str | None, reference: str, as_json: bool) -> None:
    """Show a JOB, given by its number, idempotency key, task id or your name for it."""
    with read_ledger(ledger) as book:
        found = _find(book, reference)
    if as_json:
        emit("recorded", **to_dict(found))
        return
    shown = {name: fact for name, fact in to_dict(found).items() if fact not in (None, [])}
    for name, fact in shown.items():
        text = fact if isinstance(fact, str) else json.dumps(fact, ensure_ascii=False)
        click.echo(f"{name:10} {one_line(text)}")


@_command(
    output_dir_option(),
    name_option(more="; for jobs without a directory or a name of their own"),
    timeout_option(),
    resubmit_option(),
    *connection_options(),
    name="resume",
)
def resume(
    ledger: Path | str | None,
    output_dir: Path | None,
    name: str | None,
    timeout: float,
    resubmit_uncertain: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Wait for every unfinished task, and save its files in its output directory."""

    def report(ending: ResumeResult) -> None:
        _report_result(ending, as_json=as_json)

    require_output_dir(name, output_dir)
    CommandContext.current().resume_by_repeating()
    with (
        open_ledger(ledger) as book,
        Connection.from_options(options).client(ledger=book) as client,
    ):
        endings = client.resume_all(
            output_dir,
            timeout=timeout,
            resubmit_uncertain=resubmit_uncertain,
            on_result=report,
            name=name,
        )
    undone = [ending for ending in endings if ending.error is not None]
    if not as_json:
        ended = len(endings) - len(undone)
        click.echo(f"{ended} resumed, {len(undone)} not resumed to the end", err=True)
    _report_remaining(endings.remaining, ledger, as_json=as_json)
    return UNDONE if undone else 0


@_command(
    click.Argument(["references"], metavar="[JOB]...", nargs=-1, type=JobReference()),
    click.Option(["--finished"], is_flag=True, help="All finished jobs."),
    click.Option(
        ["--days"], type=click.FloatRange(0), help="Only jobs at least this many days old."
    ),
    click.Option(
        ["--force"],
        is_flag=True,
        help="Delete unfinished and uncertain jobs, too. Its batch sends a deleted job again.",
    ),
    name="forget",
)
def forget(
    ledger: Path | str | None,
    references: tuple[str, ...],
    finished: bool,
    days: float | None,
    force: bool,
) -> None:
    """Delete jobs from the ledger. Their files and tasks stay."""
    if bool(references) == finished:
        raise click.UsageError("Name the jobs to forget, or use --finished")
    with open_ledger(ledger) as book:
        jobs = [_find(book, one) for one in references] if references else book.jobs()
        latest = time.time() - (days or 0.0) * _DAY
        chosen = [job for job in jobs if job.recorded_at <= latest]
        if finished:
            chosen = [job for job in chosen if job.finished]
        open_ones = [job for job in chosen if not job.finished]
        if open_ones and not force:
            raise _open_error(open_ones[0])
        _warn_of_resends(chosen)
        click.echo(f"{book.delete(chosen)} forgotten", err=True)


_REFERENCE = click.Argument(["reference"], metavar="JOB", type=JobReference())


@_command(
    _REFERENCE,
    click.Option(["--task", "task_id"], metavar="ID", required=True, help="The id of its task."),
    name="resolve",
)
def resolve(ledger: Path | str | None, reference: str, task_id: str) -> None:
    """Give an uncertain JOB its task. Its batch, or resume, then saves the files of the task."""
    with open_ledger(ledger) as book:
        job = _find(book, reference)
        book.resolve(job, task_id)
    then = "wanflow ledger resume, or the next run of its batch, saves its files"
    to_stderr(f"job {job.id} has task {task_id}; {then}")


@_command(_REFERENCE, name="discard")
def discard(ledger: Path | str | None, reference: str) -> None:
    """End an uncertain JOB. It is never sent again, and counts as if it had been charged."""
    with open_ledger(ledger) as book:
        job = _find(book, reference)
        book.discard(job)
    to_stderr(f"job {job.id} is discarded: it is not sent again")


def _warn_of_resends(jobs: Iterable[Job]) -> None:
    """Say how many of the jobs that are deleted now are sent again by their batch."""
    named = [job for job in jobs if job.name and not job.name.startswith(_AGENTS_PREFIX)]
    again = [job for job in named if job.state is not JobState.REJECTED]
    if again:
        which = f"job {again[0].id}" if len(again) == 1 else f"{len(again)} of the jobs"
        to_stderr(
            f"warning: the next run of the batch sends {which} again, which may be charged again; "
            "wanflow ledger discard ends an uncertain job without that"
        )


def _open_error(job: Job) -> InvalidRequest:
    planned = job.state is JobState.PLANNED
    why = "its queue would submit it" if planned else "may have been paid for"
    return InvalidRequest(f"job {job.id} is {job.state}, and {why}; use --force to forget it")


@_command(
    click.Option(["--format"], type=click.Choice([*EXPORTERS]), default="jsonl", show_default=True),
    click.Argument(["file"], type=click.File("w", encoding="utf-8", lazy=True), default="-"),
    name="export",
)
def export(ledger: Path | str | None, format: str, file: Any) -> None:  # noqa: A002 - the option's name
    """Write all jobs to a FILE, or to stdout."""
    with read_ledger(ledger) as book:
        EXPORTERS[format](book.jobs(), file)


def _find(book: Ledger, reference: str) -> Job:
    attempts = book.find_by_name(reference)
    found = attempts[-1] if attempts else book.find(reference)
    if found is None and reference.isascii() and reference.isdigit():
        found = book.find(int(reference))
    if found is None:
        raise InvalidRequest(f"the ledger has no job {reference!r}; see wanflow ledger list")
    return found


def _report_remaining(left: Remaining, ledger: Path | str | None, *, as_json: bool) -> None:
    if as_json:
        facts = {
            "files": left.files,
            "expires": isoformat(left.links_expire_at),
            "other_servers": left.other_servers,
        }
        emit("remaining", **facts)
        return
    for line in left.describe_other_servers():
        click.echo(one_line(line), err=True)
    if left.files:
        files = "1 file is" if left.files == 1 else f"{left.files} files are"
        until = isoformat(left.links_expire_at)
        click.echo(
            f"{files} not saved, and their links expire from {until} on; save them with", err=True
        )
        named = ledger_arguments(ledger)
        click.echo(
            f"  {shlex.join(['wanflow', 'ledger', 'resume', '--output-dir', 'out', *named])}",
            err=True,
        )


def _report_result(ending: ResumeResult, *, as_json: bool) -> None:
    job, error = ending.job, ending.error
    if as_json:
        emit("resumed", **to_dict(job), error=None if error is None else str(error))
        return
    for file in job.files:
        click.echo(os.fsencode(file.path))
    said = summary(job) if error is None else str(error)
    if isinstance(error, NotFound) and not job.finished:
        said += "; it stays unfinished: the API key may belong to another account"
    soon = isoformat(job.links_expire_at)
    hint = f" (its links are valid until {soon})" if error is not None and soon else ""
    click.echo(one_line(f"job {job.id}: {job.state}  {said}{hint}"), err=True)
