"""The credit limit of a batch is exact, whatever workers send its jobs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.queue.manual_worker import ManualWorker
from tests.queue.test_worker import WAITING, wait_until
from wanflow._core.effects import TimePoint
from wanflow._core.snapshot import Snapshot
from wanflow.batch.cost_limit import Decision
from wanflow.queue.database import DatabaseLost
from wanflow.queue.engine import StepKind
from wanflow.queue.submission_outcome import NotAccepted

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch

VERSION = "SELECT xmin::text, reserved, halted FROM wanflow.batch"
"""Another one after each write."""


@pytest.fixture
def price(add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, account: Account) -> float:
    """The price of a job, which is in the ledger."""
    add_jobs(1, "the first", name="earlier")
    worker.drain()
    return account.spent


class TestALimit:
    def test_lets_through_exactly_what_it_pays_for_with_eight_workers(
        self,
        add_jobs: Callable[..., QueuedBatch],
        new_worker: Callable[..., ManualWorker],
        account: Account,
        price: float,
    ) -> None:
        batch = add_jobs(40, max_credits=price * 13)
        workers: list[ManualWorker] = [new_worker() for _ in range(8)]
        workers[0].make_due()
        taken = [one.take(limit=5) for one in workers]
        assert sum(map(len, taken)) == 40
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(ManualWorker.run, workers, taken))
        assert account.submitted == 1 + 13
        workers[0].drain()
        assert workers[0].states() == {"saved": 14, "planned": 27}
        report = batch.wait()
        assert report.stop_reason == Decision.STOP.value
        assert report.credits_spent == pytest.approx(price * 13)

    def test_lets_jobs_wait_for_an_unknown_price_without_a_warning(
        self,
        add_jobs: Callable[..., QueuedBatch],
        worker: ManualWorker,
        account: Account,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Nothing has failed."""
        add_jobs(4, max_credits=1000)
        worker.turn([StepKind.SUBMIT])
        assert worker.states() == {"accepted": 1, "planned": 3}
        assert [one.getMessage() for one in caplog.records if one.name == "wanflow"] == []
        worker.drain()
        assert account.submitted == 4

    def test_that_is_raised_lets_the_others_through(
        self,
        add_jobs: Callable[..., QueuedBatch],
        worker: ManualWorker,
        account: Account,
        price: float,
    ) -> None:
        add_jobs(4, max_credits=price * 2)
        worker.drain()
        add_jobs(4, max_credits=price * 3)
        worker.drain()
        assert account.submitted == 1 + 3
        assert worker.states() == {"saved": 4, "planned": 1}

    def test_that_comes_later_counts_what_was_sent_without_it(
        self,
        add_jobs: Callable[..., QueuedBatch],
        worker: ManualWorker,
        account: Account,
        price: float,
        fault: Callable[..., AbstractContextManager[None]],
    ) -> None:
        """Done, in flight or uncertain: it counts once, however often the batch is enqueued."""
        add_jobs(3)
        with fault("lost-response", operation="createImageGeneration", count=1):
            worker.turn([StepKind.SUBMIT], limit=1)
        worker.turn([StepKind.SUBMIT], limit=1)
        for _ in range(2):
            add_jobs(9, max_credits=price * 5)
        ((reserved,),) = worker.execute("SELECT reserved FROM wanflow.batch WHERE name = 'run1'")
        assert reserved == pytest.approx(price * 2)
        worker.drain()
        assert account.submitted == 1 + 5
        assert worker.states() == {"saved": 5, "uncertain": 1, "planned": 4}

    def test_that_comes_after_a_step_was_taken_counts_its_job(
        self,
        add_jobs: Callable[..., QueuedBatch],
        worker: ManualWorker,
        account: Account,
        price: float,
    ) -> None:
        add_jobs(3)
        taken = worker.take()
        add_jobs(3, max_credits=price)
        worker.run(taken)
        assert account.submitted == 1
        worker.sweep()
        worker.drain()
        assert account.submitted == 1 + 1

    def test_sends_one_job_of_unknown_price_at_a_time(
        self,
        add_jobs: Callable[..., QueuedBatch],
        new_worker: Callable[..., ManualWorker],
        account: Account,
    ) -> None:
        add_jobs(6, max_credits=1000)
        one, other = new_worker(), new_worker()
        one.make_due()
        (work,) = one.take(limit=1)
        write = one.stalled_submission(work)
        other.turn([StepKind.SUBMIT])
        assert account.submitted == 1
        assert write().error is None
        other.drain()
        assert account.submitted == 6
        assert other.states() == {"saved": 6}

    @pytest.mark.parametrize("write", ["intent", "task", "halt", "end"])
    def test_is_locked_after_the_job_by_every_write(
        self,
        add_jobs: Callable[..., QueuedBatch],
        worker: ManualWorker,
        queue: str,
        write: str,
    ) -> None:
        """Two transactions that lock in two orders wait for each other."""
        add_jobs(1, max_credits=1000)
        if write == "end":
            worker.turn([StepKind.SUBMIT])
            worker.make_due()
        (work,) = worker.take()
        recorder = worker.recorder(work) if write in {"intent", "end"} else worker.intend(work)
        usage, links = {"credits_used": 1}, ("https://shop.example/1.png",)
        priced = Snapshot("task-1", "completed", usage=usage, urls=links)
        outcome = {
            "intent": lambda: recorder.record_intent(None),  # type: ignore[arg-type]
            "task": lambda: recorder.record_accepted(work.key, priced, hold=False),
            "halt": lambda: NotAccepted(
                work.id, work.key, recorder.token, "no", halted="no credits"
            ).apply(worker.writes.transaction, TimePoint(0.0, 0.0)),
            "end": lambda: recorder.record_done("", priced),
        }[write]
        with (
            psycopg.connect(queue, autocommit=True) as other,
            psycopg.connect(queue) as holding,
        ):
            holding.execute("SELECT FROM wanflow.job FOR UPDATE")
            thread = Thread(target=worker.write, args=[outcome])
            thread.start()
            wait_until(lambda: other.execute(WAITING).fetchone() is not None)
            free = other.execute("SELECT FROM wanflow.batch FOR UPDATE SKIP LOCKED").rowcount
            before = other.execute(VERSION).fetchall()
            holding.rollback()
            thread.join()
            after = other.execute(VERSION).fetchall()
        assert free == 1
        assert before != after

    def test_is_not_locked_for_ever_by_a_machine_that_stalls_or_is_cut_off(
        self, add_jobs: Callable[..., QueuedBatch], new_worker: Callable[..., ManualWorker]
    ) -> None:
        """The database ends its transaction, and it learns that nothing was written."""
        add_jobs(2, max_credits=1000)
        stalled, other = new_worker(idle_limit=0.2), new_worker()
        other.make_due()
        first, second = stalled.take(limit=1) + other.take(limit=1)
        recorder = stalled.recorder(first)

        def stall() -> None:
            recorder.record_intent(None)  # type: ignore[arg-type]
            other.intend(second)
            recorder.move(frozenset(), {})

        (end,) = stalled.writes.run([stall])
        assert isinstance(end.error, DatabaseLost)
        assert other.column("state") == ["planned", "intent"]

    def test_is_given_back_by_what_was_not_accepted(
        self,
        add_jobs: Callable[..., QueuedBatch],
        worker: ManualWorker,
        account: Account,
        price: float,
        fault: Callable[..., AbstractContextManager[None]],
    ) -> None:
        add_jobs(3, max_credits=price)
        with fault("status=400", operation="createImageGeneration", count=1):
            worker.turn([StepKind.SUBMIT], limit=1)
        assert worker.execute("SELECT max(reserved) FROM wanflow.batch") == [(0.0,)]
        worker.drain()
        assert account.submitted == 1 + 1

    def test_counts_what_is_uncertain(
        self,
        add_jobs: Callable[..., QueuedBatch],
        worker: ManualWorker,
        account: Account,
        price: float,
        fault: Callable[..., AbstractContextManager[None]],
    ) -> None:
        add_jobs(3, max_credits=price * 2)
        with fault("lost-response", operation="createImageGeneration", count=1):
            worker.turn([StepKind.SUBMIT], limit=1)
        worker.drain()
        assert account.submitted == 1 + 2
        assert worker.states() == {"saved": 2, "uncertain": 1, "planned": 1}

    def test_is_not_counted_where_there_is_none(
        self, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, price: float
    ) -> None:
        add_jobs(2)
        worker.drain()
        assert worker.execute("SELECT DISTINCT reserved FROM wanflow.batch") == [(0.0,)]

    def test_is_what_the_api_reports_at_the_end(
        self, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, price: float
    ) -> None:
        add_jobs(3, max_credits=1000)
        worker.drain()
        ((reserved,),) = worker.execute("SELECT max(reserved) FROM wanflow.batch")
        assert reserved == pytest.approx(3 * price)
