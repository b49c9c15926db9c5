"""The report of a batch: as a value, as JSON, as a table, and `report.json`."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from wanflow._storage.storage import write_file
from wanflow.batch.models import JobResult, JobStatus
from wanflow.batch.reconcile import useful_retries
from wanflow.batch.total import Total
from wanflow.errors import LedgerError, StorageFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_JSON = json.JSONEncoder(ensure_ascii=False)


@frozen
class Report:
    """The results of a batch, in the order of its lines.

    `stop_reason` says why jobs were not sent, empty if all were. `credits_spent` counts all runs
    of the batch, and `credits_at_most` is true if some of them were perhaps not charged, because a
    submission was uncertain; `seconds` is the duration of this run. `write_error` says why the
    report and the contact sheet could not be written, empty if they were.
    """

    output_dir: Path
    results: tuple[JobResult, ...]
    credits_spent: float
    seconds: float
    stop_reason: str = ""
    write_error: str = ""
    credits_at_most: bool = False

    @property
    def complete(self) -> bool:
        """Whether the files of every job are saved that its user didn't discard."""
        return {JobStatus.SAVED, JobStatus.DISCARDED}.issuperset(self.counts)

    @property
    def resumable(self) -> bool:
        """Whether another run can finish some jobs."""
        return not {JobStatus.RESUMABLE, JobStatus.NOT_SENT, JobStatus.LOCKED}.isdisjoint(
            self.counts
        )

    @property
    def counts(self) -> Counter[JobStatus]:
        """The number of jobs by status."""
        return Counter(result.status for result in self.results)

    @property
    def summary(self) -> str:
        """The counts and the credits in one line."""
        counts = [f"{count} {status.label}" for status, count in self.counts.items()]
        total = Total(self.credits_spent, self.credits_at_most)
        return f"{', '.join(counts)}; {total.describe()}"

    @property
    def retries(self) -> int:
        """The `retries` that would resubmit failed tasks with a retryable code; 0 for none."""
        failed = [result for result in self.results if result.status is JobStatus.FAILED]
        return max((useful_retries(one.code, one.attempts) for one in failed), default=0)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-compatible values."""
        return {
            "output_dir": str(self.output_dir),
            "complete": self.complete,
            "stop_reason": self.stop_reason,
            "credits_spent": self.credits_spent,
            "credits_at_most": self.credits_at_most,
            "seconds": round(self.seconds, 3),
            "counts": {str(status): self.counts[status] for status in JobStatus},
            "jobs": [to_dict(result) for result in self.results],
        }

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Yield the jobs that were sent and are not saved: line, status, key or task, reason."""
        for result in self.results:
            if result.status not in {JobStatus.SAVED, JobStatus.NOT_SENT}:
                name = result.job.key or result.task_id or ""
                yield str(result.job.line), result.status.label, name, result.reason


def to_dict(result: JobResult) -> dict[str, Any]:
    """Return a job's result as JSON-compatible values."""
    return {
        "line": result.job.line,
        "key": result.job.key,
        "status": str(result.status),
        "reason": result.reason,
        "code": result.code,
        "model": result.job.model,
        "task_id": result.task_id,
        "idempotency_key": result.key,
        "credits": result.credits,
        "attempts": result.attempts,
        "from_earlier_run": result.from_earlier_run,
        "files": [
            {"path": str(file.path), "size": file.size, "sha256": file.sha256}
            for file in result.files
        ],
        "request": result.job.body,
    }


def write_text(path: Path, text: str) -> None:
    """Replace a file atomically.

    Raises:
        LedgerError: the file can't be written.
        StorageFailed: the object storage can't be reached, or rejects it.
    """
    try:
        write_file(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise LedgerError(f"{path} can't be written: {error.strerror}", path=str(path)) from error


def write_pages(report: Report, *pages: Callable[[Report], Path]) -> Report:
    """Write pages; if that fails, return the report with a `write_error`."""
    try:
        for write in pages:
            write(report)
    except (LedgerError, StorageFailed) as error:
        return evolve(report, write_error=str(error))
    return report


def write_report(report: Report) -> Path:
    """Write `report.json` to the output directory, and return its path."""
    path = report.output_dir / "report.json"
    facts = report.to_dict()
    # Each job is a line: indented by the encoder, ten thousand of them would take seconds.
    jobs = ",\n  ".join(map(_JSON.encode, facts.pop("jobs")))
    head = json.dumps(facts, ensure_ascii=False, indent=1).removesuffix("\n}")
    write_text(path, f'{head},\n "jobs": [\n  {jobs}\n ]\n}}\n')
    return path
