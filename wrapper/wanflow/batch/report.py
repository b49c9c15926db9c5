"""What a batch came to: as a value, as JSON, as a table, and the pages beside the files."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from wanflow._storage import regular_file
from wanflow.batch.models import JobResult, JobStatus
from wanflow.batch.reconcile import useful_retries
from wanflow.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@frozen
class Report:
    """The outcomes of a batch in the order of its lines.

    `stopped` says why jobs were left unsent, empty where none was; `spent` are the credits of all
    runs of the batch so far, `seconds` those that this run took. `trouble` says why the pages
    beside the files could not be written, empty where they were.
    """

    output_dir: Path
    results: tuple[JobResult, ...]
    credits_spent: float
    seconds: float
    stop_reason: str = ""
    write_error: str = ""

    @property
    def complete(self) -> bool:
        """Whether every job is done and its files are saved."""
        return all(outcome.status is JobStatus.SAVED for outcome in self.results)

    @property
    def resumable(self) -> bool:
        """Whether another run has something left to do."""
        return not {JobStatus.RESUMABLE, JobStatus.NOT_SENT, JobStatus.LOCKED}.isdisjoint(
            self.counts
        )

    @property
    def counts(self) -> Counter[JobStatus]:
        """How many jobs came to which end."""
        return Counter(outcome.status for outcome in self.results)

    @property
    def retries(self) -> int:
        """How many retries would have failed tasks submitted again where that may help; 0: none."""
        failed = [outcome for outcome in self.results if outcome.status is JobStatus.FAILED]
        return max((useful_retries(one.code, one.attempts) for one in failed), default=0)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        return {
            "folder": str(self.output_dir),
            "complete": self.complete,
            "stopped": self.stop_reason,
            "spent": self.credits_spent,
            "seconds": round(self.seconds, 3),
            "counts": {str(end): self.counts[end] for end in JobStatus},
            "jobs": [to_dict(outcome) for outcome in self.results],
        }

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Return what was sent and is not done as rows: line, end, key or task, and why."""
        for outcome in self.results:
            if outcome.status not in {JobStatus.SAVED, JobStatus.NOT_SENT}:
                planned = outcome.job
                where = planned.key or outcome.task_id or ""
                yield str(planned.line), str(outcome.status), where, outcome.reason


def to_dict(result: JobResult) -> dict[str, Any]:
    """Return an outcome as JSON can hold it."""
    return {
        "line": result.job.line,
        "key": result.job.key,
        "end": str(result.status),
        "reason": result.reason,
        "code": result.code,
        "model": result.job.model,
        "task_id": result.task_id,
        "idempotency_key": result.key,
        "credits": result.credits,
        "attempts": result.attempts,
        "earlier": result.from_earlier_run,
        "files": [
            {"path": str(file.path), "size": file.size, "sha256": file.sha256}
            for file in result.files
        ],
        "request": result.job.body,
    }


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is there whole or as it was.

    Raises:
        LedgerError: the disk refuses it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        regular_file.replace(path, text.encode("utf-8", "backslashreplace"), durable=False)
    except OSError as error:
        raise LedgerError(f"{path} can't be written: {error.strerror}", path=str(path)) from error


def write_pages(report: Report, *pages: Callable[[Report], Path]) -> Report:
    """Write pages; where the disk refuses them, the report itself is still there and says so."""
    try:
        for write in pages:
            write(report)
    except LedgerError as error:
        return evolve(report, write_error=str(error))
    return report


def write_report(report: Report) -> Path:
    """Write the report as `report.json` beside the files, and return its path."""
    path = report.output_dir / "report.json"
    write_text(path, json.dumps(report.to_dict(), ensure_ascii=False, indent=1) + "\n")
    return path
