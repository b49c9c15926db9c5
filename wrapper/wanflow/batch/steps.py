"""The steps of a job, each a flow of its own: submit or take up, close its wait, save."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from attrs import evolve, frozen

from wanflow._core.effects import run_blocking
from wanflow._core.recorder import SubmissionIntent
from wanflow._core.snapshot import Snapshot
from wanflow._flows.recording import entry_of, hold_task, record_and_download, record_end
from wanflow._log import log
from wanflow.batch.models import Checker
from wanflow.errors import JobLocked, LedgerError, SubmitUncertain
from wanflow.ledger.resume import Means

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from wanflow._core.effects import BatchFunction, Flow
    from wanflow._flows.download import DownloadJob
    from wanflow._flows.poll import PollTarget
    from wanflow._flows.poll_many import PollOutcome
    from wanflow.batch.models import BatchOptions, JobRun
    from wanflow.catalog.catalog import Catalog
    from wanflow.ledger import File, Ledger


class Work(Means, Checker, Protocol):
    """What a batch needs of a client's work."""

    @property
    def catalog(self) -> Catalog:
        """The models of the documents."""
        ...

    @property
    def connections(self) -> int:
        """Requests to the API that may be under way at once."""
        ...

    def poll_target(self, task_id: str, known: Snapshot | None) -> PollTarget:
        """Return how a task is asked about."""
        ...

    def download_job(self, snapshot: Snapshot, folder: Path) -> DownloadJob:
        """Return what is to be saved of a task."""
        ...


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

    work: Work
    ledger: Ledger
    terms: BatchOptions

    def submit(self, item: JobRun) -> Flow[Snapshot]:
        """Write the intent down, and submit."""
        planned = item.planned
        intent = SubmissionIntent(
            self.work.recording.server,
            item.key,
            planned.model,
            planned.body,
            planned.content,
            self.terms.folder,
            planned.name,
            item.attempt,
            item.resend,
        )
        entry = entry_of(self.ledger, intent, hold=True)
        accepted = yield from self.work.submit_prepared_body(planned.body, entry, self._stopped)
        yield from self._hold(accepted.id)
        return accepted

    def resume(self, item: JobRun) -> Flow[None]:
        """Take a job that an earlier run left, whose task is known.

        Raises:
            JobTaken: another process is at it.
        """
        job = item.job
        if job is not None and not (
            yield from run_blocking(lambda: self.ledger.acquire(job), self._group)
        ):
            raise JobLocked(f"job {job.id} is in the hands of another process")
        assert item.task_id is not None
        yield from self._hold(item.task_id)

    def seen(self, snapshot: Snapshot) -> None:
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

    def completed(self, item: JobRun, ended: Snapshot) -> bool:
        """Note at once that a task completed; False where that takes a moment."""
        assert item.task_id is not None
        if not self.ledger.is_cached(self._server, item.task_id):
            return False
        self.ledger.record_done(self._server, ended)
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
                text = uncertain_note([(one.planned.line, one.key) for one in open_ones])
                error.add_note(text)
                log.warning("%s", text)

    def download(self, item: JobRun) -> Flow[tuple[File, ...]]:
        """Save the files, and return what the ledger has of them."""
        assert item.snapshot is not None
        parcel = self.work.download_job(item.snapshot, self.terms.folder)
        files = yield from record_and_download(self.ledger, self._server, parcel)
        return tuple(evolve(file, path=file.path.absolute()) for file in files)

    def _stopped(self) -> bool:
        return self.terms.stop.is_set

    def _hold(self, task_id: str) -> Flow[None]:
        return hold_task(self.ledger, self._server, task_id)

    @property
    def _server(self) -> str:
        return self.work.recording.server

    @property
    def _group(self) -> BatchFunction:
        return self.ledger.run_in_transaction
