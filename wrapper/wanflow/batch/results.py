"""The results of a batch so far."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from attrs import define, field

from wanflow import errors
from wanflow._core.effects import InvokeCallback
from wanflow.batch.models import JobResult, JobStatus

if TYPE_CHECKING:
    from wanflow._core.effects import Flow
    from wanflow.batch.models import JobRun, OnJobResult
    from wanflow.ledger import File

_MAX_RECENT_ERRORS = 5


@define(eq=False)
class Results:
    """The results in order of completion, their counts by status, and the latest errors.

    `on_result` is called with each.
    """

    on_result: OnJobResult = None
    job_results: list[JobResult] = field(factory=list[JobResult])
    counts: Counter[JobStatus] = field(factory=Counter[JobStatus])
    recent_errors: deque[str] = field(factory=lambda: deque[str](maxlen=_MAX_RECENT_ERRORS))

    def add(self, result: JobResult) -> Flow[None]:
        """Add a result."""
        self.job_results.append(result)
        self.counts[result.status] += 1
        if result.status in {JobStatus.FAILED, JobStatus.UNCERTAIN} and not result.from_earlier_run:
            self.add_error(f"line {result.job.line}: {result.reason}")
        if self.on_result is not None:
            yield InvokeCallback(self.on_result, result)

    def add_error(self, text: str) -> None:
        """Add an error message."""
        self.recent_errors.append(text)

    def add_saved(self, item: JobRun, files: tuple[File, ...]) -> Flow[None]:
        """Add a job whose files are saved."""
        return self.add(_job_result(item, JobStatus.SAVED, files=files))

    def add_unsaved(
        self, item: JobRun, status: JobStatus, reason: str, code: str | None = None
    ) -> Flow[None]:
        """Add a job that failed, is uncertain, or remains."""
        return self.add(_job_result(item, status, reason, code))


def _job_result(
    item: JobRun,
    status: JobStatus,
    reason: str = "",
    code: str | None = None,
    files: tuple[File, ...] = (),
) -> JobResult:
    return JobResult(
        item.job,
        status,
        reason,
        item.task_id,
        item.credits,
        item.attempt if status is not JobStatus.NOT_SENT else item.attempt - 1,
        files,
        key=item.key,
        code=code,
    )


def status_for(error: BaseException | None) -> JobStatus:
    """Return the status of a job that ended with an error."""
    match error:
        case errors.JobLocked():
            return JobStatus.LOCKED
        case errors.LinkExpired():
            return JobStatus.FAILED
        case errors.WaitTimeout() | errors.DownloadFailed():
            return JobStatus.RESUMABLE
        case errors.LedgerError() | errors.UploadFailed():
            return JobStatus.NOT_SENT
        case _:
            return JobStatus.FAILED
