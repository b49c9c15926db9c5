"""Compares the jobs of a batch with the ledger: what is left to do for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from wanflow._core.arguments import new_idempotency_key
from wanflow._core.effects import run_blocking
from wanflow._core.failure_codes import HINTS
from wanflow._core.prices import price_class
from wanflow._storage.storage import file_sizes
from wanflow.batch.models import JobResult, JobRun, JobStatus
from wanflow.ledger import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wanflow._core.effects import Flow
    from wanflow.batch.models import PlannedJob
    from wanflow.batch.steps import Steps
    from wanflow.ledger import Job, Ledger

# Seconds, from the provider's table of error codes; the middle of a range.
_RETRY_DELAYS = {
    "service_error": 45.0,
    "resource_exhausted": 150.0,
    "quota_exceeded": 2.0,
    "service_unavailable": 180.0,
}
_FINAL_STATUSES = {
    JobState.FAILED: JobStatus.FAILED,
    JobState.LOST: JobStatus.FAILED,
    JobState.DISCARDED: JobStatus.DISCARDED,
    JobState.PLANNED: JobStatus.LOCKED,
}
_RETRY_ONCE = frozenset({"unknown_error"})


def retry_delay(code: str | None, attempt: int, retries: int) -> float | None:
    """Return the seconds to wait before a failed task is resubmitted, None if it isn't.

    Args:
        code: the error code of the task.
        attempt: the number of the failed submission, from 1.
        retries: the number of resubmissions that a job may have.
    """
    hint = HINTS.get(code or "", HINTS["unknown_error"])
    allowed = min(retries, 1) if code in _RETRY_ONCE or code not in HINTS else retries
    if not hint.retryable or attempt > allowed:
        return None
    return _RETRY_DELAYS.get(code or "", 0.0)


def useful_retries(code: str | None, attempts: int) -> int:
    """Return the `retries` that would resubmit a failed task; 0 if none would."""
    retryable = code is not None and retry_delay(code, attempts, attempts) is not None
    return attempts if retryable else 0


def load_states(
    steps: Steps, jobs: Sequence[PlannedJob]
) -> Flow[list[tuple[str, JobRun | JobResult, Sequence[Job]]]]:
    """Return for each job its price class, its state or result, and its recorded attempts."""
    ledger, options, catalog = steps.ledger, steps.options, steps.operations.catalog
    known = yield from run_blocking(lambda: ledger.attempts(job.name for job in jobs))
    last = [attempts[-1] for attempts in known.values()]
    sizes = yield from run_blocking(lambda: _sizes(last, options.output_dir))

    def load(job: PlannedJob) -> tuple[str, JobRun | JobResult, Sequence[Job]]:
        kind, attempts = price_class(catalog, job.body), known.get(job.name, ())
        if attempts and attempts[-1].server != steps.operations.recording.server:
            # That server has rejected it; this one gets a record of its own.
            number = attempts[-1].attempt + 1
            return kind, JobRun(job, kind, new_idempotency_key(), number), attempts
        last = [_with_current_paths(one, options.output_dir, sizes) for one in attempts[-1:]]
        state = reconcile(
            ledger,
            job,
            kind,
            [*attempts[:-1], *last],
            sizes,
            retries=options.retries,
            resend=options.resubmit_uncertain,
        )
        return kind, state, attempts

    return (yield from run_blocking(lambda: [load(job) for job in jobs]))


def reconcile(
    ledger: Ledger,
    job: PlannedJob,
    price_class: str,
    attempts: Sequence[Job],
    sizes: Mapping[Path, int],
    *,
    retries: int,
    resend: bool,
) -> JobRun | JobResult:
    """Return what is left to do of a job after the recorded attempts, or its result.

    `sizes` are those of the recorded files that there are.
    """
    if not attempts:
        return JobRun(job, price_class, new_idempotency_key())
    last = attempts[-1]
    item = JobRun(
        job,
        price_class,
        last.key or new_idempotency_key(),
        last.attempt,
        last,
        task_id=last.task_id,
    )
    retryable = retry_delay(last.code, last.attempt, retries) is not None
    if last.state is JobState.FAILED and retryable:
        return JobRun(job, price_class, new_idempotency_key(), last.attempt + 1)
    status = _final_status(ledger, last, sizes, resend=resend)
    if status is not None:
        return _job_result(item, status, last)
    item.resend, item.credits = last.uncertain, last.credits
    return item


def _final_status(
    ledger: Ledger, recorded: Job, sizes: Mapping[Path, int], *, resend: bool
) -> JobStatus | None:
    """Return the final status of a recorded job, None if something is left to do."""
    match recorded.state:
        case JobState.SAVED if all(sizes.get(file.path) == file.size for file in recorded.files):
            return JobStatus.SAVED
        case state if state in _FINAL_STATUSES:
            return _FINAL_STATUSES[state]
        case JobState.INTENT | JobState.UNCERTAIN if ledger.is_owned(recorded):
            return JobStatus.LOCKED
        case JobState.INTENT | JobState.UNCERTAIN if not resend:
            return JobStatus.UNCERTAIN
        case _:
            return None


def _sizes(recorded: Sequence[Job], output_dir: Path) -> dict[Path, int]:
    """Return the sizes of recorded files, where they were saved and where they may be now."""
    files = [file.path for job in recorded for file in job.files]
    return file_sizes([*files, *(_moved(path, output_dir) for path in files)])


def _moved(path: Path, output_dir: Path) -> Path:
    return output_dir.absolute() / path.name


def _with_current_paths(recorded: Job, output_dir: Path, sizes: Mapping[Path, int]) -> Job:
    """Return a recorded job with its files in the output directory, if that was moved."""
    files = tuple(
        evolve(file, path=moved) if sizes.get(moved) == file.size else file
        for file in recorded.files
        if (moved := _moved(file.path, output_dir))
    )
    return evolve(recorded, files=files)


def _job_result(item: JobRun, status: JobStatus, recorded: Job) -> JobResult:
    reason = " ".join(filter(None, (recorded.code, recorded.reason)))
    return JobResult(
        item.job,
        status,
        reason,
        recorded.task_id,
        recorded.credits,
        recorded.attempt,
        recorded.files,
        from_earlier_run=True,
        key=recorded.key,
        code=recorded.code,
    )
