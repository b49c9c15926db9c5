"""`wanflow batch`: many jobs from a file, each paid for once."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click
from attrs import define, field

from wanflow.async_client import AsyncClient
from wanflow.batch.cost_limit import Decision
from wanflow.batch.input import RowParser, decode_text, read_csv, read_jsonl
from wanflow.batch.models import DEFAULT_MAX_CONCURRENCY, StopSignal
from wanflow.batch.report import to_dict
from wanflow.catalog.catalog import packaged_catalog
from wanflow.cli.batch_interrupt import print_exit_message
from wanflow.cli.batch_progress import LineProgress, LiveProgress, to_stderr
from wanflow.cli.connection import Connection
from wanflow.cli.exit_codes import handle_stop_signals
from wanflow.cli.ledger import UNDONE
from wanflow.cli.ledger_options import ledger_option, open_ledger, prompts_option
from wanflow.cli.options import connection_options, output_dir_option, timeout_option
from wanflow.cli.progress import log_to_display
from wanflow.cli.text import one_line, printable
from wanflow.cli.values import ParsedValue
from wanflow.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wanflow.batch.models import BatchProgress, JobResult, JobSpec, RowError
    from wanflow.batch.report import Report
    from wanflow.cli.batch_progress import Progress
    from wanflow.ledger import Ledger

_SIGNAL_EXIT_BASE = 128
_MAX_ROWS = 20
_MAX_CREDITS = "--max-credits"


def print_summary(report: Report, *, interrupt: int | None, as_json: bool) -> int:
    """Tell what a batch came to, and return the exit code; `interrupt` is what stopped it."""
    if as_json:
        facts = {name: fact for name, fact in report.to_dict().items() if name != "jobs"}
        click.echo(json.dumps({"event": "report", **facts}))
    rows = list(report.rows())
    for line, end, where, reason in rows[:_MAX_ROWS]:
        to_stderr(f"line {line:>5}  {end:9}  {one_line(f'{where}  {reason}')}")
    if len(rows) > _MAX_ROWS:
        to_stderr(f"… and {len(rows) - _MAX_ROWS} more in the report")
    counts = ", ".join(f"{count} {end}" for end, count in report.counts.items())
    why = f"; {report.stop_reason}" if report.stop_reason else ""
    to_stderr(printable(f"{counts}; {report.credits_spent:g} credits{why}"))
    pages = f"{report.output_dir / 'report.json'}  {report.output_dir / 'index.html'}"
    to_stderr(printable(report.write_error or pages))
    for line in _hints(report):
        to_stderr(line)
    if report.complete and not report.write_error:
        return 0
    return UNDONE if interrupt is None else _SIGNAL_EXIT_BASE + interrupt


def _hints(report: Report) -> Iterator[str]:
    """Say which command goes on, with what has to be changed in it to get further."""
    if report.stop_reason == Decision.STOP.value:
        command = resume_command(_MAX_CREDITS, "MORE")
        yield f"this resumes what isn't done, with a higher limit:\n  {command}"
    elif report.resumable:
        yield f"this resumes what isn't done:\n  {resume_command()}"
    if report.retries:
        more = resume_command("--retries", str(report.retries))
        yield f"this submits failed tasks again, at their price, where that may help:\n  {more}"


def resume_command(option: str | None = None, value: str = "") -> str:
    """Return the command that was given, an option of it with another value."""
    words = list(sys.argv[1:])
    if option is not None:
        words = [word for word in words if not word.startswith(f"{option}=")]
        while option in words:
            del words[words.index(option) : words.index(option) + 2]
        words += [option, value]
    return printable(shlex.join(["wanflow", *words]))


_READERS = {"jsonl": read_jsonl, "csv": read_csv}


def _parse_template(word: str) -> tuple[str, str]:
    name, equals, text = word.partition("=")
    if not name or not equals:
        raise ValueError(f"{word!r} is not of the form NAME=TEMPLATE")
    return name, text


def _options() -> list[click.Parameter]:
    return [
        click.Argument(["file"], metavar="FILE"),
        output_dir_option(required=True),
        click.Option(
            ["--format"], type=click.Choice([*_READERS]), help="What FILE is; else by its ending."
        ),
        click.Option(["--model"], metavar="MODEL", help="The model of lines that name none."),
        click.Option(
            ["--set", "templates"],
            multiple=True,
            type=ParsedValue(_parse_template),
            metavar="NAME=TEMPLATE",
            help='A parameter made of a line\'s columns: --set prompt="a {animal} in {place}".',
        ),
        click.Option(
            ["--max-credits"],
            type=click.FloatRange(0),
            help="Stop before the batch, all its runs together, has cost more.",
        ),
        click.Option(
            ["--retries"],
            type=click.IntRange(0),
            default=0,
            show_default=True,
            help="Submit a failed task so often again, at its price, where its code says it helps.",
        ),
        click.Option(
            ["--in-flight"],
            type=click.IntRange(1),
            default=DEFAULT_MAX_CONCURRENCY,
            show_default=True,
            help="Jobs under way at once.",
        ),
        click.Option(
            ["--resubmit-uncertain"],
            is_flag=True,
            help="Send submissions again whose answer was lost, with the same idempotency key.",
        ),
        prompts_option(),
        timeout_option(),
        ledger_option(),
        *connection_options(),
    ]


@click.command(params=_options())
def batch(**options: Any) -> int:
    """Do the jobs of FILE (JSON lines, or CSV with a head; - is stdin), each paid for once.

    A line is a model's parameters, with "model" and, if you like, a "key" of your own: the same
    key again is the same job. The same command again takes up what isn't done.
    """
    lines = _read_jobs(options)
    connection = Connection.from_options(options)
    with open_ledger(
        options["ledger"], create=True, keep_prompts=not options["no_prompts"]
    ) as ledger:
        job = _BatchRun(options, connection, ledger, _make_progress(as_json=options["as_json"]))
        with handle_stop_signals(job.stop_gracefully, job.exit_now):
            with job.progress, log_to_display(job.progress, logging.WARNING):
                report = anyio.run(job.run, lines)
            return print_summary(report, interrupt=job.interrupt, as_json=options["as_json"])


@define
class _BatchRun:
    """One run of a batch, from the command line; `interrupt` is the signal that stopped it."""

    options: Mapping[str, Any]
    connection: Connection
    ledger: Ledger
    progress: Progress
    stop: StopSignal = field(factory=StopSignal)
    interrupt: int | None = None
    _stop_noted: bool = False
    _exiting: bool = False

    def stop_gracefully(self, number: int) -> None:
        """Begin nothing more: the first Ctrl-C, the end of the terminal, or a shutdown."""
        self.interrupt = number
        self.stop.set()

    def exit_now(self, number: int) -> None:
        """Leave where things are: the second Ctrl-C; what is uncertain by that is said."""
        if self._exiting:
            return
        self._exiting = True
        try:
            print_exit_message(self.progress, self.ledger, resume_command())
        finally:
            os._exit(128 + number)

    def _show_progress(self, tally: BatchProgress) -> None:
        """Show how the batch stands, and once that it stops; a signal handler may not print."""
        if self.stop.is_set and not self._stop_noted:
            self._stop_noted = True
            self.progress.note(
                "stopping: nothing more is sent, and what was sent is finished; "
                "Ctrl-C again leaves at once"
            )
        self.progress.show(tally)

    async def run(self, lines: Iterable[JobSpec | RowError]) -> Report:
        """Do the batch.

        Raises:
            WanflowError: it could not be begun, or not be written down.
        """
        options = self.options
        key, base_url = self.connection.key(), self.connection.base_url
        async with AsyncClient(key, base_url, ledger=self.ledger) as client:
            return await client.batch(
                lines,
                options["out"],
                timeout=options["timeout"],
                max_credits=options["max_credits"],
                retries=options["retries"],
                resubmit_uncertain=options["resubmit_uncertain"],
                max_concurrency=options["in_flight"],
                stop=self.stop,
                on_progress=self._show_progress,
                on_result=self._print_json if options["as_json"] else self._print_paths,
            )

    def _print_json(self, outcome: JobResult) -> None:
        click.echo(json.dumps({"event": "job", **to_dict(outcome)}))

    def _print_paths(self, outcome: JobResult) -> None:
        folder = Path(self.options["out"])
        for file in outcome.files:
            inside = file.path.parent == folder.absolute()
            self.progress.path(folder / file.path.name if inside else file.path)


def _read_jobs(options: Mapping[str, Any]) -> list[JobSpec | RowError]:
    name = options["file"]
    kind = options["format"] or ("csv" if name.lower().endswith((".csv", ".tsv")) else "jsonl")
    form = RowParser(packaged_catalog(), options["model"], dict(options["templates"]))
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        text = decode_text(content)
    except OSError as error:
        raise InvalidRequest(f"{name} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise InvalidRequest(f"{name} {error}") from None
    lines = list(_READERS[kind](text, form))
    if not lines:
        raise InvalidRequest(f"{name} has no jobs")
    return lines


def _make_progress(*, as_json: bool) -> Progress:
    lively = not as_json and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return LiveProgress() if lively and find_spec("rich") else LineProgress(to_stderr)
