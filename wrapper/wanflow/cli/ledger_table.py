"""The table of `wanflow ledger list`, and what to do about jobs whose task is unknown."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import TYPE_CHECKING

from wanflow.cli.ledger_options import ledger_arguments
from wanflow.cli.text import display_width, one_line, padded, shortened
from wanflow.ledger.export import summary
from wanflow.ledger.job import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from wanflow.ledger.job import Job

# The prompt is last: a text that is written from right to left moves what follows it.
_COLUMNS = ("job", "date", "state", "credits", "model", "task", "name", "details", "prompt")
_DROPPED = ("details", "task", "name", "model")
"""What a narrow terminal leaves out, in this order; `show` has all of it."""
_MIN_PROMPT = 24
_MAX_DETAILS = 150
_GAP = "  "


def table(jobs: Sequence[Job], width: int | None = None) -> Iterator[str]:
    """Yield the lines of the table, with a heading; none where there are no jobs.

    With a `width`, columns are left out and the prompts are cut, so that each line fits.
    """
    rows = [{name: name.upper() for name in _COLUMNS}, *map(_row, jobs)]
    widths = {name: max(display_width(row[name]) for row in rows) for name in _COLUMNS}
    columns = _fitting(widths, width)
    *fixed, last = columns
    room = None if width is None else width - sum(widths[name] + len(_GAP) for name in fixed)
    for row in rows if jobs else ():
        cells = [padded(row[name], widths[name]) for name in fixed]
        cells.append(row[last] if room is None else shortened(row[last], room))
        yield _GAP.join(cells).rstrip()


def _fitting(widths: dict[str, int], width: int | None) -> list[str]:
    columns: list[str] = list(_COLUMNS)
    for name in _DROPPED:
        fixed = sum(widths[one] + len(_GAP) for one in columns[:-1])
        if width is None or fixed + min(widths["prompt"], _MIN_PROMPT) <= width:
            break
        columns.remove(name)
    return columns


def _row(job: Job) -> dict[str, str]:
    cells = {
        "job": str(job.id),
        "date": _local_time(job.recorded_at),
        "state": str(job.state),
        "credits": "" if job.credits is None else f"{job.credits:g}",
        "model": job.model or "",
        "task": job.task_id or "",
        "name": job.name or "",
        "details": shortened(one_line(summary(job)), _MAX_DETAILS),
        "prompt": _prompt(job),
    }
    return {name: one_line(cell) for name, cell in cells.items()}


def _prompt(job: Job) -> str:
    if job.redacted:
        return "(not stored)"
    return str((job.body or {}).get("prompt") or "")


def _local_time(unix: float) -> str:
    try:
        return datetime.fromtimestamp(unix).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return ""


def ways_out(jobs: Sequence[Job], ledger: Path | str | None) -> Iterator[str]:
    """Yield what to do about jobs whose task is unknown, and the commands for it."""
    if uncertain := [job for job in jobs if job.uncertain and job.owner is None]:
        first = str(uncertain[0].id)
        which = f"job {first} is" if len(uncertain) == 1 else f"{len(uncertain)} jobs are"
        yield (
            f"{which} uncertain, and may have been charged: check the account's usage, or ask the "
            "provider about the idempotency key. Then"
        )
        yield _command(ledger, "shows the key and the request", "show", first)
        yield _command(ledger, "sends each again, with its key", "resume", "--resubmit-uncertain")
        yield from _decisions(ledger, first, "gives it its task, if you know the id")
    for job in jobs:
        if job.task_unknown and job.state is JobState.ACCEPTED and job.reason:
            yield f"job {job.id} was given task {job.task_id}, which no poll has found. Then"
            yield from _decisions(ledger, str(job.id), "gives it another task, if the id is wrong")


def _decisions(ledger: Path | str | None, job: str, resolves: str) -> Iterator[str]:
    yield _command(ledger, resolves, "resolve", job, "--task", "ID")
    yield _command(ledger, "ends it: it is never sent again", "discard", job)


def _command(ledger: Path | str | None, meaning: str, *words: str) -> str:
    command = shlex.join(["wanflow", "ledger", *words, *ledger_arguments(ledger)])
    return f"  {command}   {meaning}"
