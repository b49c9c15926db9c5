"""The steps of a job, each a flow: submit or resume, finish the wait, download."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from wanflow._core.effects import run_blocking
from wanflow._core.event_kinds import emit, kinds
from wanflow._core.snapshot import Snapshot
from wanflow._flows.prepare import SubmitOptions
from wanflow._flows.recording import acquire_task, record_and_download, record_end, record_for
from wanflow.errors import JobLocked, LedgerError, SubmitUncertain
from wanflow.events import uncertain_note

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wanflow._core.effects import Flow, Submit
    from wanflow._core.prices import PriceRecord
    from wanflow._flows.attempt import SubmissionRecord
    from wanflow._flows.operations import Operations
    from wanflow._flows.poll_many import PollOutcome
    from wanflow._flows.prepare import PreparedRequest
    from wanflow.batch.models import BatchOptions, JobRun
    from wanflow.ledger import File, Ledger


@frozen
class Steps:
    """The steps of the jobs of one batch; `fresh` says that its folder had no part of any file."""

    operations: Operations
    ledger: Ledger
    options: BatchOptions
    fresh: bool = False

    def submit(self, item: JobRun) -> Flow[Snapshot]:
        """Record the intent, and submit."""
        job, operations = item.job, self.operations
        prepared = operations.prepare(
            job.body, {}, options=SubmitOptions(None, validate=False, idempotency_key=item.key)
        )
        prepared = evolve(
            prepared, local_files=job.files, expiring=job.expiring, name=job.file_name
        )

        def record(sent: PreparedRequest) -> SubmissionRecord:
            intent = evolve(
                operations.recording.intent(sent, operations.catalog, self.options.output_dir),
                name=job.name,
                attempt=item.attempt,
                resend=item.resend,
                price_class=item.price_class,
            )
            return record_for(self.ledger, intent, own=True)

        accepted = yield from operations.submit_checked(prepared, record, self._stopped)
        yield from self._acquire_task(accepted.id)
        return accepted

    def resume(self, item: JobRun) -> Flow[None]:
        """Resume a job of an earlier run whose task is known.

        Raises:
            JobLocked: another process works on it.
        """
        job = item.recorded
        if job is not None and not (
            yield from run_blocking(lambda: self.ledger.acquire(job), self._submit)
        ):
            raise JobLocked(f"job {job.id} is locked by another process")
        assert item.task_id is not None
        yield from self._acquire_task(item.task_id)

    def prices(self, models: Iterable[str]) -> list[PriceRecord]:
        """Return what jobs of some models cost, those of other batches too. It may block."""
        return [one for model in models for one in self.ledger.prices(self._server, model)]

    def record_poll(self, snapshot: Snapshot) -> None:
        """Record a poll of a running task."""
        self.ledger.record_poll(self._server, snapshot)

    def finish(self, item: JobRun, outcome: PollOutcome) -> Flow[Snapshot]:
        """Record the outcome of a wait, and return the completed task.

        Raises:
            WanflowError: the outcome, if it is an error.
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
        """Record a completed task; return False if that could block."""
        assert item.task_id is not None
        if not self.ledger.is_cached(self._server, item.task_id):
            return False
        self.ledger.record_done(self._server, done)
        return True

    def release(self, item: JobRun) -> None:
        """Record that this process no longer waits for a job's task."""
        if item.task_id is not None:
            self.ledger.release_task(self._server, item.task_id)

    def still_expected(self, item: JobRun) -> bool:
        """Whether the ledger still expects a task that the server didn't find."""
        assert item.task_id is not None
        job = self.ledger.find(item.task_id)
        return job is not None and not job.finished

    def own_task(self, item: JobRun, error: BaseException | None) -> str | None:
        """Return the task id of an error, None if it belongs to another job."""
        task_id: str | None = getattr(error, "task_id", None)
        if isinstance(error, SubmitUncertain) and task_id is not None:
            with suppress(LedgerError):
                job = self.ledger.find(item.key)
                return None if job is not None and job.uncertain else task_id
        return task_id

    def note_uncertain(self, error: BaseException, items: Iterable[JobRun]) -> Flow[None]:
        """Add a note to an error that lists those of the submissions that are uncertain."""
        uncertain: list[JobRun] = []
        with suppress(LedgerError):
            found = [(item, self.ledger.find(item.key)) for item in items]
            uncertain = [item for item, job in found if job is not None and job.uncertain]
        if uncertain:
            error.add_note(uncertain_note([(one.job.line, one.key) for one in uncertain]))
            yield from emit(
                kinds.SubmissionsUncertain,
                operation="submit",
                lines=tuple(one.job.line for one in uncertain),
                idempotency_keys=tuple(one.key for one in uncertain),
            )

    def download(self, item: JobRun) -> Flow[tuple[File, ...]]:
        """Save the files, and return their records."""
        assert item.snapshot is not None
        job = self.operations.download_job(
            item.snapshot, self.options.output_dir, name=item.job.file_name, fresh=self.fresh
        )
        files = yield from record_and_download(self.ledger, self._server, job)
        return tuple(evolve(file, path=file.path.absolute()) for file in files)

    def _stopped(self) -> bool:
        return self.options.stop.is_set

    def _acquire_task(self, task_id: str) -> Flow[None]:
        return acquire_task(self.ledger, self._server, task_id)

    @property
    def _server(self) -> str:
        return self.operations.recording.server

    @property
    def _submit(self) -> Submit:
        return self.ledger.submit
