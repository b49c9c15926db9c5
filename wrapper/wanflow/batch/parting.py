"""What `wanflow batch` says at its end, and which command goes on from there."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING

import click

from wanflow.batch.prices import Verdict
from wanflow.batch.progress import to_stderr
from wanflow.cli.prose import one_line, printable
from wanflow.ledger.commands import UNDONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.batch.report import Report

_SIGNALLED = 128
_ROWS = 20
_CEILING = "--max-credits"


def say_end(report: Report, *, interrupt: int | None, as_json: bool) -> int:
    """Tell what a batch came to, and return the exit code; `interrupt` is what stopped it."""
    if as_json:
        facts = {name: fact for name, fact in report.facts().items() if name != "jobs"}
        click.echo(json.dumps({"event": "report", **facts}))
    rows = list(report.rows())
    for line, end, where, reason in rows[:_ROWS]:
        to_stderr(f"line {line:>5}  {end:9}  {one_line(f'{where}  {reason}')}")
    if len(rows) > _ROWS:
        to_stderr(f"… and {len(rows) - _ROWS} more in the report")
    counts = ", ".join(f"{count} {end}" for end, count in report.counts.items())
    why = f"; {report.stopped}" if report.stopped else ""
    to_stderr(printable(f"{counts}; {report.spent:g} credits{why}"))
    pages = f"{report.folder / 'report.json'}  {report.folder / 'index.html'}"
    to_stderr(printable(report.trouble or pages))
    for line in _hints(report):
        to_stderr(line)
    if report.complete and not report.trouble:
        return 0
    return UNDONE if interrupt is None else _SIGNALLED + interrupt


def _hints(report: Report) -> Iterator[str]:
    """Say which command goes on, with what has to be changed in it to get further."""
    if report.stopped == Verdict.STOP.value:
        yield f"this takes up what isn't done, with a higher ceiling:\n  {again(_CEILING, 'MORE')}"
    elif report.open:
        yield f"this takes up what isn't done:\n  {again()}"
    if report.retries:
        more = again("--retries", str(report.retries))
        yield f"this submits failed tasks again, at their price, where that may help:\n  {more}"


def again(option: str | None = None, value: str = "") -> str:
    """Return the command that was given, an option of it with another value."""
    words = list(sys.argv[1:])
    if option is not None:
        words = [word for word in words if not word.startswith(f"{option}=")]
        while option in words:
            del words[words.index(option) : words.index(option) + 2]
        words += [option, value]
    return printable(shlex.join(["wanflow", *words]))
