"""Take up whatever isn't finished: wait for known tasks, save their files, and tell of doubts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from attrs import field, frozen

from wanflow import errors
from wanflow._core.effects import Finished, InvokeCallback, Spawn, run_blocking, wait_next
from wanflow._flows.attempt import SubmissionRecord
from wanflow.ledger.deduplication import uncertain_error
from wanflow.ledger.job import Job, JobState, Remaining
from wanflow.ledger.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from os import PathLike
    from pathlib import Path

    from wanflow._core.effects import Flow
    from wanflow._core.snapshot import Snapshot
    from wanflow._flows.recording import RecordedFlows

    OnResult: TypeAlias = Callable[["ResumeResult"], object] | None

# States by how soon their links die.
_RESUME_ORDER = (JobState.COMPLETED, JobState.ACCEPTED, JobState.INTENT, JobState.UNCERTAIN)


@frozen
class ResumeResult:
    """How far a job was brought: what the ledger says of it now, and the error that ended it."""

    job: Job
    error: errors.WanflowError | None = None


class ResumeReport(list[ResumeResult]):
    """How each job ended; `left` is what was not taken up, and how to go on with it."""

    remaining: Remaining = Remaining()


@frozen
class ResumeOptions:
    """How jobs are taken up.

    `folder` is for files that nobody asked for yet, None to leave them; `timeout` in seconds for
    each wait; `resubmit` sends submissions in doubt again, with their keys; at most `at_once`
    jobs are under way together; `on_ending` is called with each Ending.
    """

    output_dir: str | PathLike[str] | None
    timeout: float
    resubmit_uncertain: bool
    max_concurrency: int
    on_result: OnResult = field(default=None, repr=False)


class Means(Protocol):
    """What resuming needs of a client's work."""

    recording: RecordedFlows

    def wait(
        self,
        task_id: str,
        timeout: float,
        on_update: Callable[[Snapshot], object] | None,
        *,
        own: bool,
    ) -> Flow[Snapshot]:
        """Look at a task until its end."""
        ...

    def download(self, snapshot: Snapshot, folder: str | PathLike[str]) -> Flow[list[Path]]:
        """Save what the links lead to."""
        ...

    def submit_prepared_body(
        self,
        body: Mapping[str, Any],
        entry: SubmissionRecord,
        stopped: Callable[[], bool] | None = None,
    ) -> Flow[Snapshot]:
        """Submit a body that was checked before, until stopped, and write it down by an entry."""
        ...


def resume_all(means: Means, terms: ResumeOptions) -> Flow[ResumeReport]:
    """Take up every unfinished job of a server that no living process is at → how each ended.

    Raises:
        ConfigurationError: there is no ledger.
        LedgerError: the ledger can't be read or written.
    """
    ledger = means.recording.recorder
    if not isinstance(ledger, Ledger):
        raise errors.ConfigurationError("there is no ledger to resume from: Client(ledger=…)")
    server, unsaved = means.recording.server, terms.output_dir is not None
    claim = yield from run_blocking(lambda: ledger.claim(server, unsaved=unsaved))
    waiting = iter(sorted(claim.jobs, key=_expiry_order))
    endings = ResumeReport()
    under_way = 0
    while True:
        under_way += yield from _spawn_next(
            means, ledger, terms, waiting, terms.max_concurrency - under_way
        )
        if not under_way:
            endings.remaining = yield from run_blocking(lambda: ledger.remaining(server))
            return endings
        done = yield from wait_next(None)
        assert isinstance(done, Finished)
        under_way -= 1
        if done.error is not None:
            raise done.error
        endings.append(done.value)
        if terms.on_result is not None:
            yield InvokeCallback(terms.on_result, done.value)


def _spawn_next(
    means: Means, ledger: Ledger, terms: ResumeOptions, waiting: Iterator[Job], free: int
) -> Flow[int]:
    begun = 0
    for job in waiting:
        yield Spawn(job.id, _resume(means, ledger, job, terms), spawns=True)
        begun += 1
        if begun >= free:
            break
    return begun


def _expiry_order(job: Job) -> tuple[int, float]:
    return _RESUME_ORDER.index(job.state), job.created or job.recorded_at


def _resume(means: Means, ledger: Ledger, job: Job, terms: ResumeOptions) -> Flow[ResumeResult]:
    error = None
    try:
        yield from _finish_job(means, ledger, job, terms)
    except errors.WanflowError as trouble:
        error = trouble
    finally:
        ledger.release(job)
    found = yield from run_blocking(lambda: ledger.find(job.id))
    return ResumeResult(found or job, error)


def _finish_job(means: Means, ledger: Ledger, job: Job, terms: ResumeOptions) -> Flow[None]:
    task_id = job.task_id
    if task_id is None:
        task_id = (yield from _resubmit(means, ledger, job, terms)).id
    folder = job.output_dir or terms.output_dir
    ended = yield from means.wait(task_id, terms.timeout, None, own=folder is not None)
    if folder is not None:
        yield from means.download(ended, folder)


def _resubmit(means: Means, ledger: Ledger, job: Job, terms: ResumeOptions) -> Flow[Snapshot]:
    """Submit a job in doubt again, with its key.

    Raises:
        SubmitUncertain: that isn't wanted, or not possible, or it went the same way again.
    """
    if not terms.resubmit_uncertain or job.redacted or job.body is None or job.key is None:
        raise uncertain_error(job)
    entry = SubmissionRecord(ledger, job.key, job.server, lambda: ledger.resend(job), own=True)
    return (yield from means.submit_prepared_body(job.body, entry))
