"""The three steps of a job, each a flow of its own: submit, wait, save."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import frozen

from wanflow._core.effects import act
from wanflow._core.recorder import Intent
from wanflow._flows.recording import submit
from wanflow.batch.planning import Checker
from wanflow.errors import JobTaken, WanflowError
from wanflow.ledger.resuming import Means

if TYPE_CHECKING:
    from wanflow._core.effects import Flow
    from wanflow._core.snapshot import Snapshot
    from wanflow.batch.item import Item
    from wanflow.batch.terms import Terms
    from wanflow.ledger import Job, Ledger
    from wanflow.spec.catalog import Catalog


class Work(Means, Checker, Protocol):
    """What a batch needs of a client's work."""

    @property
    def catalog(self) -> Catalog:
        """The models of the documents."""
        ...


class Stopped(WanflowError):
    """A wait was left because the batch was asked to stop; the task goes on."""


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
        flow = self.work.submission_of(planned.body, item.key)
        return submit(self.ledger, intent, flow, hold=True)

    def wait(self, item: Item) -> Flow[Snapshot]:
        """Wait for the task's end, unless the batch is stopped before."""
        if item.job is not None:
            job = item.job
            if not (yield from act(lambda: self.ledger.take(job))):
                raise JobTaken(f"job {job.id} is in the hands of another process")
        assert item.task_id is not None
        timeout = self.terms.timeout
        return (yield from self.work.wait(item.task_id, timeout, self._heed, hold=True))

    def save(self, item: Item) -> Flow[Job | None]:
        """Save the files, and return the job as the ledger has it."""
        ended = item.snapshot
        assert ended is not None
        yield from self.work.download(ended, self.terms.folder)
        return (yield from act(lambda: self.ledger.find(ended.id)))

    def _heed(self, snapshot: Snapshot) -> None:
        if self.terms.stop.asked and not snapshot.ended:
            raise Stopped("the batch was stopped; the task goes on", task_id=snapshot.id)
