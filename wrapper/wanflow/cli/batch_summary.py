"""The summary of a batch: what it prints at the end, its exit code, and how to continue."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import TYPE_CHECKING

from wanflow.batch.cost_limit import Decision
from wanflow.batch.models import JobStatus
from wanflow.cli.error_report import shown_command
from wanflow.cli.json_output import emit
from wanflow.cli.ledger import UNDONE
from wanflow.cli.progress import to_stderr
from wanflow.cli.text import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wanflow.batch.report import Report

_SIGNAL_EXIT_BASE = 128
_MAX_ROWS = 20
_MAX_CREDITS = "--max-credits"


def print_summary(
    report: Report, uncertain_jobs: Sequence[str], *, interrupt: int | None, as_json: bool
) -> int:
    """Print the result of a batch, and return the exit code.

    `uncertain_jobs` is the command that lists uncertain jobs, and `interrupt` the number of the
    signal that stopped the batch, None if none did.
    """
    if as_json:
        facts = {name: fact for name, fact in report.to_dict().items() if name != "jobs"}
        emit("report", **facts)
    rows = list(report.rows())
    for line, status, name, reason in rows[:_MAX_ROWS]:
        to_stderr(f"line {line:>5}  {status:9}  {one_line(f'{name}  {reason}')}")
    if len(rows) > _MAX_ROWS:
        to_stderr(f"… and {len(rows) - _MAX_ROWS} more; see the report")
    reason = f"; {report.stop_reason}" if report.stop_reason else ""
    to_stderr(printable(f"{report.summary}{reason}"))
    pages = f"{report.output_dir / 'report.json'}  {report.output_dir / 'index.html'}"
    to_stderr(printable(report.write_error or pages))
    if report.counts[JobStatus.UNCERTAIN]:
        to_stderr(
            f"to settle what is uncertain, see:\n  {printable(shown_command(uncertain_jobs))}"
        )
    for line in _hints(report):
        to_stderr(line)
    if report.complete and not report.write_error:
        return 0
    return UNDONE if interrupt is None else _SIGNAL_EXIT_BASE + interrupt


def _hints(report: Report) -> Iterator[str]:
    """Return the commands that continue the batch."""
    if report.stop_reason == Decision.STOP.value:
        command = resume_command(_MAX_CREDITS, "MORE")
        limit = _given(_MAX_CREDITS)
        more = f", more than {limit}" if limit else ""
        yield f"to resume with a higher limit{more}:\n  {command}"
    elif report.stop_reason == Decision.UNKNOWN_PRICE.value:
        # The same command would send nothing again.
        if not report.counts[JobStatus.UNCERTAIN]:
            yield f"to resume without a limit:\n  {resume_command(_MAX_CREDITS, None)}"
    elif report.resumable:
        yield f"to resume:\n  {resume_command()}"
    if report.retries:
        more = resume_command("--retries", str(report.retries))
        yield f"to resubmit failed tasks where a retry may help (each is charged):\n  {more}"


def _given(option: str) -> str:
    """Return the value of an option of this command line; empty if it isn't there."""
    arguments = sys.argv[1:]
    values = [one.partition("=")[2] for one in arguments if one.startswith(f"{option}=")]
    values += [value for name, value in pairwise(arguments) if name == option]
    return printable(values[-1]) if values else ""


def resume_command(option: str | None = None, value: str | None = None) -> str:
    """Return this command line again, with an option set to another value; None to leave it out."""
    arguments = list(sys.argv[1:])
    if option is not None:
        arguments = [one for one in arguments if not one.startswith(f"{option}=")]
        while option in arguments:
            del arguments[arguments.index(option) : arguments.index(option) + 2]
        arguments += [] if value is None else [option, value]
    return printable(shown_command(arguments))
