"""What people ask of a queue, and decide."""

from __future__ import annotations

from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.queue.test_steps import SUBMIT
from wanflow.errors import InvalidRequest, LedgerError
from wanflow.ledger.job import JobState
from wanflow.queue import admin
from wanflow.queue.database import Database
from wanflow.queue.engine import Engine, StepKind
from wanflow.queue.submission_outcome import NotAccepted, Uncertain

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch
    from wanflow.queue.submission_outcome import SubmissionOutcome

    Fault = Callable[..., AbstractContextManager[None]]


def test_the_status_counts_the_jobs_of_each_batch(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker
) -> None:
    add_jobs(3)
    worker.drain()
    add_jobs(2, name="run2")
    first, second = admin.batches(worker.database)
    assert (first.name, first.states) == ("run1", {JobState.SAVED: 3})
    assert (second.name, second.states) == ("run2", {JobState.PLANNED: 2})
    assert admin.depth(worker.database) == (2, 2)
    assert [one.name for one in admin.batches(worker.database, "run2")] == ["run2"]


def test_an_unknown_batch_is_an_error(worker: ManualWorker) -> None:
    with pytest.raises(InvalidRequest, match="no batch 'none'"):
        admin.batches(worker.database, "none")
    with pytest.raises(InvalidRequest, match="no batch 'none'"):
        admin.cancel(worker.database, "none")


def test_a_canceled_batch_sends_nothing_more_and_saves_what_was_paid_for(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, account: Account
) -> None:
    add_jobs(5)
    worker.turn(limit=2)
    assert admin.cancel(worker.database, "run1") == 3
    worker.drain()
    assert worker.states() == {"refused": 3, "saved": 2}
    assert account.submitted == 2


@pytest.mark.parametrize(
    ("ended", "outcome"),
    [
        ("refused", lambda *ids: NotAccepted(*ids, "busy", 1.0)),
        ("refused", lambda *ids: NotAccepted(*ids, "no key", halted="no key")),
        ("uncertain", lambda *ids: Uncertain(*ids, "no response", 2.0)),
        ("uncertain", None),
    ],
    ids=["not accepted", "halted", "uncertain", "killed"],
)
def test_a_job_that_is_being_sent_when_its_batch_is_canceled_is_not_sent_again(
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    account: Account,
    ended: str,
    outcome: Callable[..., SubmissionOutcome] | None,
) -> None:
    """Neither one that wasn't accepted, nor one that may have been, unless its user says so."""
    batch = add_jobs(2, resubmit_uncertain=True)
    worker.make_due()
    (work,) = worker.take([StepKind.SUBMIT], limit=1)
    recorder = worker.intend(work)
    assert admin.cancel(worker.database, "run1") == 1
    if outcome is None:
        worker.execute("UPDATE wanflow.job SET sending_until = 0")
        worker.die()
    else:
        given, now = outcome(work.id, work.key, recorder.token), work.clock.time_point()
        worker.write(lambda: given.apply(worker.writes.transaction, now, work.row.id))
    worker.drain()
    worker.sweep()
    worker.drain()
    assert worker.column("state") == [ended, "refused"]
    assert account.submitted == 0
    assert len(batch.wait().results) == 2
    if ended == "uncertain":
        assert admin.retry(worker.database, worker.engine, uncertain=True) == 1
        worker.drain()
        assert worker.column("state") == ["saved", "refused"]


@pytest.mark.parametrize(
    "outcome",
    [
        lambda *ids: NotAccepted(*ids, "busy", 1.0),
        lambda *ids: NotAccepted(*ids, "no key", halted="no key"),
        lambda *ids: Uncertain(*ids, "no response", 2.0),
    ],
    ids=["not accepted", "halted", "uncertain"],
)
def test_a_cancel_waits_for_what_is_being_written(
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    account: Account,
    queue: str,
    outcome: Callable[..., SubmissionOutcome],
) -> None:
    """Neither sees what the other one does: the job was sent again after the cancel."""
    add_jobs(1, resubmit_uncertain=True)
    worker.make_due()
    (work,) = worker.take([StepKind.SUBMIT], limit=1)
    recorder = worker.intend(work)
    given, now = outcome(work.id, work.key, recorder.token), work.clock.time_point()
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with (
        Database(queue) as other,
        Database(queue) as watching,
        watching.connection() as connection,
    ):
        thread = Thread(target=admin.cancel, args=(other, "run1"))

        def write() -> None:
            given.apply(worker.writes.transaction, now, work.row.id)
            thread.start()
            while thread.is_alive() and not connection.execute(waits).fetchall():
                Event().wait(0.01)

        worker.write(write)
        thread.join()
    worker.execute("UPDATE wanflow.batch SET halted = NULL")
    worker.sweep()
    worker.drain()
    assert worker.states() in ({"refused": 1}, {"uncertain": 1})
    assert account.submitted == 0


def test_an_uncertain_job_that_waits_to_be_sent_again_is_canceled_with_its_batch(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, account: Account, fault: Fault
) -> None:
    add_jobs(1)
    with fault("reset", operation=SUBMIT):
        worker.turn()
    assert admin.retry(worker.database, worker.engine, uncertain=True) == 1
    taken = worker.take()
    assert admin.cancel(worker.database, "run1") == 0
    worker.run(taken)
    worker.sweep()
    worker.drain()
    assert worker.states() == {"uncertain": 1}
    assert account.submitted == 0


def test_jobs_that_are_added_to_a_canceled_batch_are_sent(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, fault: Fault
) -> None:
    add_jobs(1)
    admin.cancel(worker.database, "run1")
    add_jobs(2)
    with fault("status=429", operation=SUBMIT):
        worker.turn()
    worker.drain()
    assert worker.column("state") == ["refused", "saved"]


def test_an_uncertain_job_is_named_and_sent_again_only_where_its_user_says_so(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, account: Account, fault: Fault
) -> None:
    add_jobs(1)
    with fault("reset", operation=SUBMIT):
        worker.turn()
    (named,) = admin.questionable(worker.database)
    assert named.key == worker.column("key")[0]
    assert admin.retry(worker.database, worker.engine) == 0
    worker.drain()
    assert worker.states() == {"uncertain": 1}
    assert admin.retry(worker.database, worker.engine, uncertain=True) == 1
    worker.drain()
    assert worker.states() == {"saved": 1}
    assert worker.column("sends") == [2]
    assert account.submitted == 1


def test_an_uncertain_job_that_is_parked_is_not_sent_again_as_a_parked_one(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, account: Account, fault: Fault
) -> None:
    """A resend in which three workers died: who retries parked jobs has not asked for another."""
    add_jobs(1)
    with fault("lost-response", operation=SUBMIT):
        worker.turn()
    admin.retry(worker.database, worker.engine, uncertain=True)
    worker.execute("UPDATE wanflow.queue SET attempts = 3")
    worker.turn()
    (named,) = admin.questionable(worker.database)
    assert "3 workers died" in named.reason
    assert admin.retry(worker.database, worker.engine) == 0
    worker.drain()
    assert account.submitted == 1
    assert admin.retry(worker.database, worker.engine, uncertain=True) == 1
    worker.drain()
    assert worker.states() == {"saved": 1}


def test_a_parked_job_goes_on_where_it_was(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, account: Account, fault: Fault
) -> None:
    add_jobs(1)
    with fault("status=404", operation="files"):
        worker.drain()
    (named,) = admin.questionable(worker.database, "run1")
    assert named.state is JobState.COMPLETED
    assert admin.retry(worker.database, worker.engine, "run1") == 1
    worker.drain()
    assert worker.states() == {"saved": 1}
    assert account.submitted == 1


def test_a_batch_that_is_halted_goes_on_only_where_it_is_meant(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker
) -> None:
    """By its name, by a job of it, or with all others."""
    for name in ("run1", "run2", "run3"):
        add_jobs(1, name=name)
    first, *_ = worker.column("id")

    def halted(name: str | None = None, jobs: list[int] | None = None) -> list[str]:
        worker.execute("UPDATE wanflow.batch SET halted = 'a reason'")
        admin.retry(worker.database, worker.engine, name, jobs)
        return [one.name for one in admin.batches(worker.database) if one.halted]

    assert halted(jobs=[first]) == ["run2", "run3"]
    assert halted("run2") == ["run1", "run3"]
    assert halted() == []


@pytest.mark.parametrize("command", ["cancel", "retry"])
def test_a_command_that_conflicts_with_a_worker_is_done_after_it(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, queue: str, command: str
) -> None:
    """Each has locked a job that the other one needs: PostgreSQL ends one of them."""
    add_jobs(2)
    if command == "retry":
        worker.execute("UPDATE wanflow.job SET parked = 'a reason'")
    first, second = worker.column("id")
    ends: list[Any] = []
    lock = "UPDATE wanflow.job SET tries = 0 WHERE id = %s"

    def decide() -> None:
        try:
            if command == "cancel":
                ends.append(admin.cancel(worker.database, "run1"))
            else:
                ends.append(admin.retry(worker.database, Engine()))
        except LedgerError as error:
            ends.append(error)

    with Database(queue) as watching, watching.connection() as connection:
        with psycopg.connect(queue) as other:
            other.execute(lock, [second])
            thread = Thread(target=decide)
            thread.start()
            waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while not connection.execute(waits).fetchall():
                Event().wait(0.01)
            # Where this one is ended, the other one has no conflict any more.
            with suppress(psycopg.errors.DeadlockDetected):
                other.execute(lock, [first])
        thread.join()
    assert ends == [2]
