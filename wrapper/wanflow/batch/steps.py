"""The three steps of a job, each a flow of its own: submit, wait, save."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import frozen

from wanflow._core.effects import act
from wanflow._core.recorder import Intent
from wanflow._flows.recording import save, submit
from wanflow.batch.planning import Checker
from wanflow.errors import JobTaken, WanflowError
from wanflow.ledger.resuming import Means

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow._core.effects import Flow
    from wanflow._core.snapshot import Snapshot
    from wanflow.batch.item import Item
    from wanflow.batch.terms import Terms
    from wanflow.ledger import File, Ledger
    from wanflow.spec.catalog import Catalog


class Work(Means, Checker, Protocol):
    """What a batch needs of a client's work."""

    @property
    def catalog(self) -> Catalog:
        """The models of the documents."""
        ...

    def files(self, snapshot: Snapshot, folder: Path) -> Flow[list[Path]]:
        """Save what the links lead to, unrecorded."""
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

    def knows(self, item: Item) -> bool:
        """Tell whether the ledger still counts on a task that its server didn't know."""
        assert item.task_id is not None
        job = self.ledger.find(item.task_id)
        return job is not None and not job.finished

    def save(self, item: Item) -> Flow[tuple[File, ...]]:
        """Save the files, and return what the ledger has of them."""
        ended, folder = item.snapshot, self.terms.folder
        assert ended is not None
        flow = self.work.files(ended, folder)
        server = self.work.recording.server
        return (yield from save(self.ledger, server, ended.id, folder, flow))[1]

    def _heed(self, snapshot: Snapshot) -> None:
        if self.terms.stop.asked and not snapshot.ended:
            raise Stopped("the batch was stopped; the task goes on", task_id=snapshot.id)
