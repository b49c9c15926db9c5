"""The steps of a job, each a flow of its own: submit or take up, close its wait, save."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from attrs import evolve, frozen

from wanflow._core.effects import act
from wanflow._core.recorder import Intent
from wanflow._core.snapshot import Snapshot
from wanflow._flows.recording import end, entry_of, hold_task, save
from wanflow._log import log
from wanflow.batch.models import Checker
from wanflow.errors import JobTaken, LedgerError, SubmitUncertain
from wanflow.ledger.resume import Means

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from wanflow._core.effects import Flow, Group
    from wanflow._flows.download import Parcel
    from wanflow._flows.poll import Question
    from wanflow._flows.poll_many import Outcome
    from wanflow.batch.models import Item, Terms
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

    def question(self, task_id: str, known: Snapshot | None) -> Question:
        """Return how a task is asked about."""
        ...

    def parcel(self, snapshot: Snapshot, folder: Path) -> Parcel:
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
    terms: Terms

    def submit(self, item: Item) -> Flow[Snapshot]:
        """Write the intent down, and submit."""
        planned = item.planned
        intent = Intent(
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
        accepted = yield from self.work.submission_of(planned.body, entry, self._stopped)
        yield from self._hold(accepted.id)
        return accepted

    def take_up(self, item: Item) -> Flow[None]:
        """Take a job that an earlier run left, whose task is known.

        Raises:
            JobTaken: another process is at it.
        """
        job = item.job
        if job is not None and not (yield from act(lambda: self.ledger.take(job), self._group)):
            raise JobTaken(f"job {job.id} is in the hands of another process")
        assert item.task_id is not None
        yield from self._hold(item.task_id)

    def seen(self, snapshot: Snapshot) -> None:
        """Note a look at a task that goes on."""
        self.ledger.seen(self._server, snapshot)

    def close(self, item: Item, outcome: Outcome) -> Flow[Snapshot]:
        """Write down how a wait ended → the completed task.

        Raises:
            WanflowError: the outcome, where it is none.
        """
        assert item.task_id is not None
        try:
            yield from end(self.ledger, self._server, item.task_id, outcome)
        finally:
            if not isinstance(outcome, Snapshot):
                self.let_go(item)
        if isinstance(outcome, Snapshot):
            return outcome
        raise outcome

    def completed(self, item: Item, ended: Snapshot) -> bool:
        """Note at once that a task completed; False where that takes a moment."""
        assert item.task_id is not None
        if not self.ledger.at_hand(self._server, item.task_id):
            return False
        self.ledger.ended(self._server, ended)
        return True

    def let_go(self, item: Item) -> None:
        """Note that nobody here waits for an item's task any more."""
        if item.task_id is not None:
            self.ledger.let_go(self._server, item.task_id)

    def knows(self, item: Item) -> bool:
        """Tell whether the ledger still counts on a task that its server didn't know."""
        assert item.task_id is not None
        job = self.ledger.find(item.task_id)
        return job is not None and not job.finished

    def own_task(self, item: Item, error: BaseException | None) -> str | None:
        """Return the task that an error names, unless it is that of another job."""
        task_id: str | None = getattr(error, "task_id", None)
        if isinstance(error, SubmitUncertain) and task_id is not None:
            with suppress(LedgerError):
                job = self.ledger.find(item.key)
                return None if job is not None and job.in_doubt else task_id
        return task_id

    def note_uncertain(self, error: BaseException, items: Iterable[Item]) -> None:
        """Say of an error which of some submissions may have been accepted, if any."""
        with suppress(LedgerError):
            found = [(item, self.ledger.find(item.key)) for item in items]
            open_ones = [item for item, job in found if job is not None and job.in_doubt]
            if open_ones:
                text = uncertain_note([(one.planned.line, one.key) for one in open_ones])
                error.add_note(text)
                log.warning("%s", text)

    def save(self, item: Item) -> Flow[tuple[File, ...]]:
        """Save the files, and return what the ledger has of them."""
        assert item.snapshot is not None
        parcel = self.work.parcel(item.snapshot, self.terms.folder)
        files = yield from save(self.ledger, self._server, parcel)
        return tuple(evolve(file, path=file.path.absolute()) for file in files)

    def _stopped(self) -> bool:
        return self.terms.stop.asked

    def _hold(self, task_id: str) -> Flow[None]:
        return hold_task(self.ledger, self._server, task_id)

    @property
    def _server(self) -> str:
        return self.work.recording.server

    @property
    def _group(self) -> Group:
        return self.ledger.together
