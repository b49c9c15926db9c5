"""Resume unfinished jobs: wait for known tasks, save their files, and report uncertain ones."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from attrs import evolve, field, frozen

from wanflow import errors
from wanflow._core.effects import InvokeCallback, run_blocking
from wanflow._flows.attempt import SubmissionRecord
from wanflow._flows.concurrency import gather
from wanflow.ledger.deduplication import uncertain_error
from wanflow.ledger.job import Job, JobState, Remaining
from wanflow.ledger.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from wanflow._core.effects import Finished, Flow
    from wanflow._core.file_names import NameTemplate
    from wanflow._core.recorder import Budget
    from wanflow._core.snapshot import Snapshot
    from wanflow._flows.operations import Operations

    OnResult: TypeAlias = Callable[["ResumeResult"], object] | None

# States by how soon their links expire.
_RESUME_ORDER = (JobState.COMPLETED, JobState.ACCEPTED, JobState.INTENT, JobState.UNCERTAIN)


@frozen
class ResumeResult:
    """The job as recorded after the resume, and the error that ended it."""

    job: Job
    error: errors.WanflowError | None = None


class ResumeReport(list[ResumeResult]):
    """The result of each job; `remaining` is what was not resumed."""

    remaining: Remaining = Remaining()


@frozen
class ResumeOptions:
    """How jobs are resumed.

    `output_dir` is for files that weren't requested yet, None leaves them; `timeout` is in seconds
    for each wait; `resubmit_uncertain` sends uncertain submissions again, with their keys; at most
    `max_concurrency` jobs are in flight; `on_result` is called with each ResumeResult.
    With `budget`, only its jobs are resumed, and sent again only as far as it allows.
    `name` is a template of the names of files in `output_dir`, for jobs without one.
    """

    output_dir: str | PathLike[str] | None
    timeout: float
    resubmit_uncertain: bool
    max_concurrency: int
    on_result: OnResult = field(default=None, repr=False)
    budget: Budget | None = None
    name: NameTemplate | None = None


def resume_all(operations: Operations, options: ResumeOptions) -> Flow[ResumeReport]:
    """Resume every unfinished job of a server that no living process owns.

    Raises:
        ConfigurationError: the client has no ledger.
        LedgerError: the ledger can't be read or written.
    """
    ledger = operations.recording.recorder
    if not isinstance(ledger, Ledger):
        raise errors.ConfigurationError(
            "the client has no ledger to resume from: pass Client(ledger=…)"
        )
    server, unsaved = operations.recording.server, options.output_dir is not None
    prefix = None if options.budget is None else options.budget.prefix
    claim = yield from run_blocking(lambda: ledger.claim(server, unsaved=unsaved, prefix=prefix))
    report = ResumeReport()

    def on_finished(end: Finished) -> Flow[None]:
        if end.error is not None:
            raise end.error
        report.append(end.value)
        if options.on_result is not None:
            yield InvokeCallback(options.on_result, end.value)

    jobs = sorted(claim.jobs, key=_expiry_order)
    flows = (_resume(operations, ledger, job, options) for job in jobs)
    yield from gather(flows, options.max_concurrency, on_finished)
    report.remaining = yield from run_blocking(lambda: ledger.remaining(server))
    return report


def _expiry_order(job: Job) -> tuple[int, float]:
    return _RESUME_ORDER.index(job.state), job.created or job.recorded_at


def _resume(
    operations: Operations, ledger: Ledger, job: Job, options: ResumeOptions
) -> Flow[ResumeResult]:
    error = None
    try:
        yield from _finish_job(operations, ledger, job, options)
    except errors.WanflowError as trouble:
        error = trouble
    finally:
        ledger.release(job)
    found = yield from run_blocking(lambda: ledger.find(job.id))
    return ResumeResult(found or job, error)


def _finish_job(
    operations: Operations, ledger: Ledger, job: Job, options: ResumeOptions
) -> Flow[None]:
    task_id = job.task_id
    if task_id is None:
        task_id = (yield from _resubmit(operations, ledger, job, options)).id
    folder = job.output_dir or options.output_dir
    ended = yield from operations.wait(task_id, options.timeout, None, own=folder is not None)
    if folder is not None:
        chosen = job.output_dir is not None or job.name_template is not None
        name = None if chosen else options.name
        job_files = operations.download_job(ended, folder, name=name)
        yield from operations.recording.download(job_files)


def _resubmit(
    operations: Operations, ledger: Ledger, job: Job, options: ResumeOptions
) -> Flow[Snapshot]:
    """Submit an uncertain job again, with its key.

    Raises:
        SubmitUncertain: that wasn't requested, isn't possible, or the outcome is uncertain again.
    """
    if not options.resubmit_uncertain or job.redacted or job.body is None or job.key is None:
        raise uncertain_error(job)
    expired = yield from operations.expired_links(job.uploads.values())
    if expired:
        raise uncertain_error(evolve(job, reason=f"the link of an uploaded file {expired}"))
    record_intent = partial(ledger.resend, job, options.budget)
    entry = SubmissionRecord(ledger, job.key, job.server, record_intent, own=True)
    return (yield from operations.submit_prepared_body(job.body, entry, job.uploads))
