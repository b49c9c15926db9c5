"""`wanflow batch`: many jobs from a file, each paid for once."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click
from attrs import field, frozen

from wanflow.async_client import AsyncClient
from wanflow.batch.parting import INTERRUPTED, again, say_end
from wanflow.batch.progress import Lines, Screen, to_stderr
from wanflow.batch.reading import Form, decoded, read_csv, read_jsonl
from wanflow.batch.report import facts_of
from wanflow.batch.terms import DEFAULT_IN_FLIGHT, Stop
from wanflow.cli.connection import Connection
from wanflow.cli.display import logged_to
from wanflow.cli.options import connection_options, out_option, timeout_option
from wanflow.cli.record import ledger_option, open_ledger, prompts_option
from wanflow.cli.words import Words
from wanflow.errors import InvalidRequest, WanflowError
from wanflow.spec.catalog import packaged_catalog

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wanflow.batch.item import Outcome
    from wanflow.batch.line import Fault, Line
    from wanflow.batch.progress import Progress
    from wanflow.batch.report import Report
    from wanflow.ledger import Ledger

_READERS = {"jsonl": read_jsonl, "csv": read_csv}


def _template(word: str) -> tuple[str, str]:
    name, equals, text = word.partition("=")
    if not name or not equals:
        raise ValueError(f"{word!r} is not of the form NAME=TEMPLATE")
    return name, text


def _options() -> list[click.Parameter]:
    return [
        click.Argument(["file"], metavar="FILE"),
        out_option(required=True),
        click.Option(
            ["--format"], type=click.Choice([*_READERS]), help="What FILE is; else by its ending."
        ),
        click.Option(["--model"], metavar="MODEL", help="The model of lines that name none."),
        click.Option(
            ["--set", "templates"],
            multiple=True,
            type=Words(_template),
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
            default=DEFAULT_IN_FLIGHT,
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
    lines = _read(options)
    connection = Connection.of(options)
    with open_ledger(
        options["ledger"], make=True, keep_prompts=not options["no_prompts"]
    ) as ledger:
        job = _Job(options, connection, ledger, _progress(as_json=options["as_json"]))
        with job.progress, logged_to(job.progress):
            report = anyio.run(job.run, lines)
    if report is None:
        to_stderr(f"stopped; this takes it up again:\n  {again()}")
        return INTERRUPTED
    return say_end(report, stopped=job.stop.asked, as_json=options["as_json"])


@frozen
class _Job:
    """One run of a batch, from the command line."""

    options: Mapping[str, Any]
    connection: Connection
    ledger: Ledger
    progress: Progress
    stop: Stop = field(factory=Stop)

    async def run(self, lines: Iterable[Line | Fault]) -> Report | None:
        """Do the batch; None where the user didn't want to wait for its end.

        Raises:
            WanflowError: it could not be begun, or not be written down.
        """
        report: Report | None = None
        failure: WanflowError | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(self._heed_signals, group.cancel_scope)
            try:
                report = await self._do(lines)
            except WanflowError as error:
                failure = error
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return report

    async def _do(self, lines: Iterable[Line | Fault]) -> Report:
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
                in_flight=options["in_flight"],
                stop=self.stop,
                on_tally=self.progress.show,
                on_outcome=self._tell_json if options["as_json"] else self._tell_paths,
            )

    def _tell_json(self, outcome: Outcome) -> None:
        click.echo(json.dumps({"event": "job", **facts_of(outcome)}))

    def _tell_paths(self, outcome: Outcome) -> None:
        folder = Path(self.options["out"])
        for file in outcome.files:
            inside = file.path.parent == folder.absolute()
            self.progress.path(folder / file.path.name if inside else file.path)

    async def _heed_signals(self, scope: anyio.CancelScope) -> None:
        """Begin nothing more after the first Ctrl-C, and leave at once after the second."""
        with (
            suppress(NotImplementedError),
            anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals,
        ):
            async for _ in signals:
                if self.stop.asked:
                    scope.cancel()
                    return
                self.stop.ask()
                self.progress.note("stopping: nothing more is sent; Ctrl-C again leaves at once")


def _read(options: Mapping[str, Any]) -> list[Line | Fault]:
    name = options["file"]
    kind = options["format"] or ("csv" if name.lower().endswith((".csv", ".tsv")) else "jsonl")
    form = Form(packaged_catalog(), options["model"], dict(options["templates"]))
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        text = decoded(content)
    except OSError as error:
        raise InvalidRequest(f"{name} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise InvalidRequest(f"{name} {error}") from None
    lines = list(_READERS[kind](text, form))
    if not lines:
        raise InvalidRequest(f"{name} has no jobs")
    return lines


def _progress(*, as_json: bool) -> Progress:
    lively = not as_json and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return Screen() if lively and find_spec("rich") else Lines(to_stderr)
