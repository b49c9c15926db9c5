"""The steps of a job, each a flow of its own: submit or take up, close its wait, save."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from wanflow._core.effects import run_blocking
from wanflow._core.recorder import SubmissionIntent
from wanflow._core.snapshot import Snapshot
from wanflow._flows.recording import entry_of, hold_task, record_and_download, record_end
from wanflow._log import log
from wanflow.errors import JobLocked, LedgerError, SubmitUncertain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wanflow._core.effects import BatchFunction, Flow
    from wanflow._flows.operations import Operations
    from wanflow._flows.poll_many import PollOutcome
    from wanflow.batch.models import BatchOptions, JobRun
    from wanflow.ledger import File, Ledger


def uncertain_note(submissions: Sequence[tuple[int, str]]) -> str:
    """Say which submissions, by line and idempotency key, may have been accepted."""
    names = ", ".join(f"line {line} (idempotency key {key})" for line, key in submissions)
    return (
        f"{len(submissions)} submissions were under way, and may have been accepted and charged: "
        f"{names}. They are not sent again, unless resubmit_uncertain asks for it"
    )


@frozen
class Steps:
    """The steps of one batch's jobs."""

    operations: Operations
    ledger: Ledger
    options: BatchOptions

    def submit(self, item: JobRun) -> Flow[Snapshot]:
        """Write the intent down, and submit."""
        planned = item.job
        intent = SubmissionIntent(
            self.operations.recording.server,
            item.key,
            planned.model,
            planned.body,
            planned.content,
            self.options.output_dir,
            planned.name,
            item.attempt,
            item.resend,
        )
        entry = entry_of(self.ledger, intent, hold=True)
        accepted = yield from self.operations.submit_prepared_body(
            planned.body, entry, self._stopped
        )
        yield from self._acquire_task(accepted.id)
        return accepted

    def resume(self, item: JobRun) -> Flow[None]:
        """Take a job that an earlier run left, whose task is known.

        Raises:
            JobTaken: another process is at it.
        """
        job = item.recorded
        if job is not None and not (
            yield from run_blocking(lambda: self.ledger.acquire(job), self._transaction)
        ):
            raise JobLocked(f"job {job.id} is in the hands of another process")
        assert item.task_id is not None
        yield from self._acquire_task(item.task_id)

    def record_poll(self, snapshot: Snapshot) -> None:
        """Note a look at a task that goes on."""
        self.ledger.record_poll(self._server, snapshot)

    def finish(self, item: JobRun, outcome: PollOutcome) -> Flow[Snapshot]:
        """Write down how a wait ended → the completed task.

        Raises:
            WanflowError: the outcome, where it is none.
        """
        assert item.task_id is not None
        try:
            yield from record_end(self.ledger, self._server, item.task_id, outcome)
        finally:
            if not isinstance(outcome, Snapshot):
                self.release(item)
        if isinstance(outcome, Snapshot):
            return outcome
        raise outcome

    def record_done(self, item: JobRun, done: Snapshot) -> bool:
        """Note at once that a task completed; False where that takes a moment."""
        assert item.task_id is not None
        if not self.ledger.is_cached(self._server, item.task_id):
            return False
        self.ledger.record_done(self._server, done)
        return True

    def release(self, item: JobRun) -> None:
        """Note that nobody here waits for an item's task any more."""
        if item.task_id is not None:
            self.ledger.release_task(self._server, item.task_id)

    def still_expected(self, item: JobRun) -> bool:
        """Tell whether the ledger still counts on a task that its server didn't know."""
        assert item.task_id is not None
        job = self.ledger.find(item.task_id)
        return job is not None and not job.finished

    def own_task(self, item: JobRun, error: BaseException | None) -> str | None:
        """Return the task that an error names, unless it is that of another job."""
        task_id: str | None = getattr(error, "task_id", None)
        if isinstance(error, SubmitUncertain) and task_id is not None:
            with suppress(LedgerError):
                job = self.ledger.find(item.key)
                return None if job is not None and job.uncertain else task_id
        return task_id

    def note_uncertain(self, error: BaseException, items: Iterable[JobRun]) -> None:
        """Say of an error which of some submissions may have been accepted, if any."""
        with suppress(LedgerError):
            found = [(item, self.ledger.find(item.key)) for item in items]
            open_ones = [item for item, job in found if job is not None and job.uncertain]
            if open_ones:
                text = uncertain_note([(one.job.line, one.key) for one in open_ones])
                error.add_note(text)
                log.warning("%s", text)

    def download(self, item: JobRun) -> Flow[tuple[File, ...]]:
        """Save the files, and return what the ledger has of them."""
        assert item.snapshot is not None
        parcel = self.operations.download_job(item.snapshot, self.options.output_dir)
        files = yield from record_and_download(self.ledger, self._server, parcel)
        return tuple(evolve(file, path=file.path.absolute()) for file in files)

    def _stopped(self) -> bool:
        return self.options.stop.is_set

    def _acquire_task(self, task_id: str) -> Flow[None]:
        return hold_task(self.ledger, self._server, task_id)

    @property
    def _server(self) -> str:
        return self.operations.recording.server

    @property
    def _transaction(self) -> BatchFunction:
        return self.ledger.run_in_transaction
