"""`wanflow batch`: run many jobs from a file, each charged once."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click
from attrs import define, field

from wanflow._config import UPLOADER_VARIABLE
from wanflow._core.file_names import BATCH_FIELDS
from wanflow._text import decode_text
from wanflow.async_client import AsyncClient
from wanflow.batch.input import RowParser, read_csv, read_jsonl
from wanflow.batch.models import DEFAULT_MAX_CONCURRENCY, StopSignal
from wanflow.batch.report import to_dict
from wanflow.catalog.catalog import packaged_catalog
from wanflow.cli.batch_interrupt import print_exit_message
from wanflow.cli.batch_progress import LineProgress, LiveProgress
from wanflow.cli.batch_summary import print_summary, resume_command
from wanflow.cli.connection import Connection
from wanflow.cli.exit_codes import handle_stop_signals
from wanflow.cli.json_output import emit
from wanflow.cli.ledger_options import ledger_option, open_ledger, prompts_option, uncertain_jobs
from wanflow.cli.options import (
    connection_options,
    max_credits_option,
    name_option,
    output_dir_option,
    queue_option,
    read_input,
    resubmit_option,
    timeout_option,
    uploader_option,
)
from wanflow.cli.progress import log_to_display, supports_live_display
from wanflow.cli.values import ParsedValue
from wanflow.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wanflow.batch.models import BatchProgress, JobResult, JobSpec, RowError
    from wanflow.batch.report import Report
    from wanflow.cli.batch_progress import Progress
    from wanflow.ledger import Ledger

_READERS = {"jsonl": read_jsonl, "csv": read_csv}


def _parse_template(text: str) -> tuple[str, str]:
    name, equals, template = text.partition("=")
    if not name or not equals:
        raise ValueError(f"{text!r} must have the form NAME=TEMPLATE")
    return name, template


def _options() -> list[click.Parameter]:
    return [
        click.Argument(["file"], metavar="FILE", type=click.Path(allow_dash=True)),
        output_dir_option(required=True),
        name_option(BATCH_FIELDS, "; with --queue, the name of the batch"),
        queue_option(required=False, more=", whose workers run the jobs; '' for none"),
        click.Option(
            ["--no-wait"], is_flag=True, help="With --queue: exit when the jobs are enqueued."
        ),
        click.Option(
            ["--format"],
            type=click.Choice([*_READERS]),
            help="Input format; by default taken from the file name.",
        ),
        click.Option(["--model"], metavar="MODEL", help="Model for lines that don't name one."),
        click.Option(
            ["--set", "templates"],
            multiple=True,
            type=ParsedValue(_parse_template),
            metavar="NAME=TEMPLATE",
            help='Parameter built from columns of the line: --set prompt="a {animal} in {place}".',
        ),
        max_credits_option("Credit limit for all runs of the batch together"),
        click.Option(
            ["--retries"],
            type=click.IntRange(0),
            default=0,
            show_default=True,
            help="Resubmit a failed task up to N times where its error code is retryable; "
            "each is charged.",
            metavar="N",
        ),
        click.Option(
            ["--max-concurrency"],
            type=click.IntRange(1),
            default=DEFAULT_MAX_CONCURRENCY,
            show_default=True,
            help="Maximum number of jobs in flight.",
        ),
        uploader_option(),
        resubmit_option(),
        prompts_option(),
        timeout_option(),
        ledger_option(),
        *connection_options(),
    ]


@click.command(params=_options())
def batch(**options: Any) -> int:
    """Run the jobs in FILE (JSON Lines, or CSV with a header; - is stdin), each charged once.

    A line has the parameters of a model, "model" and, optionally, a "key": lines with the same
    key are the same job. Run the same command again to resume unfinished jobs. With --uploader, a
    path in place of a URL is a local file, relative to the directory of FILE.

    With --queue or WANFLOW_QUEUE, `wanflow worker` runs the jobs, on any number of machines.
    """
    jobs = _read_jobs(options)
    connection = Connection.from_options(options)
    if options["queue"]:
        from wanflow.cli.batch_queue import run_queued

        progress = _make_progress(as_json=options["as_json"])
        return run_queued(jobs, connection, options, progress)
    if options["no_wait"]:
        raise click.UsageError("--no-wait needs --queue: without one, this command runs the jobs")
    with open_ledger(
        options["ledger"], create=True, keep_prompts=not options["no_prompts"]
    ) as ledger:
        run = _BatchRun(options, connection, ledger, _make_progress(as_json=options["as_json"]))
        with handle_stop_signals(run.stop_gracefully, run.exit_now):
            with run.progress, log_to_display(run.progress, logging.WARNING):
                report = anyio.run(run.run, jobs)
            return print_summary(
                report,
                uncertain_jobs(options["ledger"]),
                interrupt=run.interrupt,
                as_json=options["as_json"],
            )


@define
class _BatchRun:
    """One run of `wanflow batch`. `interrupt` is the signal that stopped it."""

    options: Mapping[str, Any]
    connection: Connection
    ledger: Ledger
    progress: Progress
    stop: StopSignal = field(factory=StopSignal)
    interrupt: int | None = None
    _stop_noted: bool = False
    _exiting: bool = False

    def stop_gracefully(self, number: int) -> None:
        """Start nothing more: on the first Ctrl-C, SIGTERM or SIGHUP."""
        self.interrupt = number
        self.stop.set()

    def exit_now(self, number: int) -> None:
        """Exit immediately, on the second Ctrl-C; print which submissions are uncertain."""
        if self._exiting:
            return
        self._exiting = True
        try:
            print_exit_message(self.progress, self.ledger, resume_command())
        finally:
            os._exit(128 + number)

    def _show_progress(self, progress: BatchProgress) -> None:
        """Show the progress, and once that the batch stops: a signal handler must not print."""
        if self.stop.is_set and not self._stop_noted:
            self._stop_noted = True
            self.progress.note(
                "stopping: nothing more is sent; waiting for submissions and downloads in flight "
                "(press Ctrl-C again to exit immediately)"
            )
        self.progress.show(progress)

    async def run(self, jobs: Iterable[JobSpec | RowError]) -> Report:
        """Run the batch.

        Raises:
            WanflowError: the batch could not start, or the ledger can't be written.
        """
        options = self.options
        key, base_url = self.connection.key(), self.connection.base_url
        async with AsyncClient(
            key, base_url, ledger=self.ledger, uploader=options["uploader"]
        ) as client:
            return await client.batch(
                jobs,
                options["output_dir"],
                timeout=options["timeout"],
                max_credits=options["max_credits"],
                retries=options["retries"],
                resubmit_uncertain=options["resubmit_uncertain"],
                max_concurrency=options["max_concurrency"],
                stop=self.stop,
                name=options["name"],
                on_progress=self._show_progress,
                on_result=self._print_json if options["as_json"] else self._print_paths,
            )

    def _print_json(self, result: JobResult) -> None:
        emit("job", **to_dict(result))

    def _print_paths(self, result: JobResult) -> None:
        output_dir = self.options["output_dir"]
        for file in result.files:
            inside = file.path.parent == output_dir.absolute()
            self.progress.path(output_dir / file.path.name if inside else file.path)


def _read_jobs(options: Mapping[str, Any]) -> list[JobSpec | RowError]:
    name = options["file"]
    format_ = options["format"] or ("csv" if name.lower().endswith((".csv", ".tsv")) else "jsonl")
    parser = RowParser(
        packaged_catalog(), options["model"], dict(options["templates"]), _files_dir(options)
    )
    try:
        text = decode_text(read_input(name))
    except OSError as error:
        raise InvalidRequest(f"{name} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise InvalidRequest(f"{name} {error}") from None
    jobs = list(_READERS[format_](text, parser))
    if not jobs:
        raise InvalidRequest(f"{name} contains no jobs")
    return jobs


def _files_dir(options: Mapping[str, Any]) -> Path | None:
    """Return the directory that local files are relative to: that of the job file."""
    uploads = options["uploader"] or os.environ.get(UPLOADER_VARIABLE)
    return Path(options["file"]).parent if uploads and options["file"] != "-" else None


def _make_progress(*, as_json: bool) -> Progress:
    live = not as_json and supports_live_display()
    return LiveProgress() if live else LineProgress()
