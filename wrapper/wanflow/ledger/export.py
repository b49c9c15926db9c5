"""Convert jobs to JSON, CSV and table rows."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from wanflow._text import printable
from wanflow.ledger.job import Job, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_TIMES = ("recorded_at", "accepted", "ended")


def to_dict(job: Job) -> dict[str, Any]:
    """Return all fields of a job as JSON values, with times in ISO 8601 (UTC)."""
    return {
        "id": job.id,
        "state": str(job.state),
        "server": job.server,
        "key": job.key,
        "name": job.name,
        "attempt": job.attempt,
        "model": job.model,
        "task_id": job.task_id,
        "status": job.status or None,
        "progress": job.progress,
        "code": job.code,
        "reason": job.reason,
        "credits": job.credits,
        **{name: isoformat(getattr(job, name)) for name in _TIMES},
        "expires": isoformat(job.links_expire_at),
        "output_dir": None if job.output_dir is None else str(job.output_dir),
        "name_template": job.name_template,
        "files": [
            {"index": file.index, "path": str(file.path), "size": file.size, "sha256": file.sha256}
            for file in job.files
        ],
        "links": list(job.links),
        "process": job.owner.process if job.owner else None,
        "request": job.body,
        "prompts_removed": job.redacted,
    }


def isoformat(unix: float | None) -> str | None:
    """Format a Unix time in ISO 8601, in UTC to the second; None if it is out of range."""
    try:
        found = None if unix is None else datetime.fromtimestamp(unix, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None if found is None else found.isoformat(timespec="seconds")


def summary(job: Job) -> str:
    """Return a short summary of a job's state."""
    match job.state:
        case JobState.SAVED:
            return ", ".join(str(file.path) for file in job.files)
        case JobState.PLANNED:
            return "nothing was sent; a worker of its queue submits it"
        case JobState.INTENT | JobState.UNCERTAIN:
            return f"it may have been charged; ask about idempotency key {job.key}"
        case JobState.COMPLETED:
            return (
                f"not saved; links are valid until {isoformat(job.links_expire_at)}"
                if job.links_expire_at
                else ""
            )
        case JobState.ACCEPTED:
            return _accepted_summary(job)
        case _:
            return " ".join(filter(None, (job.code, job.reason)))


def _accepted_summary(job: Job) -> str:
    if job.reason:
        return f"to be resumed: {job.reason}"
    return f"{job.status or ''} {'' if job.progress is None else job.progress} %".strip()


def write_json(jobs: Iterable[Job], to: TextIO) -> None:
    """Write jobs as JSON Lines."""
    for job in jobs:
        to.write(json.dumps(to_dict(job)) + "\n")


def write_csv(jobs: Iterable[Job], to: TextIO) -> None:
    """Write jobs as CSV with a header row; lists and objects are written as JSON."""
    writer: Any = None
    for job in jobs:
        facts = to_dict(job)
        if writer is None:
            writer = csv.writer(to)
            writer.writerow(facts)
        writer.writerow([_cell(fact) for fact in facts.values()])


def _cell(fact: object) -> object:
    """Return a cell; text that a spreadsheet would read as a formula is escaped."""
    if isinstance(fact, list | dict):
        return json.dumps(fact)
    if not isinstance(fact, str):
        return fact
    text = printable(fact)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


EXPORTERS: dict[str, Callable[[Iterable[Job], TextIO], None]] = {
    "jsonl": write_json,
    "csv": write_csv,
}
