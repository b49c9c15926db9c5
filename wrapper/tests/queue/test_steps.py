"""The steps of a job: one winner, one charge, and every write behind the fence of its step."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.queue.manual_worker import ManualWorker
from wanflow.queue import admin
from wanflow.queue.engine import StepKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch
    from wanflow.queue.work import Work

SUBMIT = "createImageGeneration"


class TestAJob:
    def test_goes_from_its_plan_to_its_file_by_one_row_at_a_time(
        self,
        add_jobs: Callable[..., QueuedBatch],
        worker: ManualWorker,
        account: Account,
        tmp_path: Path,
    ) -> None:
        add_jobs(1)
        seen: list[str] = []
        while works := worker.turn():
            seen += [str(work.row.kind) for work in works]
            assert worker.rows() <= 1
        assert seen[0] == "submit"
        assert seen[-1] == "download"
        assert set(seen[1:-1]) == {"poll"}
        assert worker.states() == {"saved": 1}
        assert account.submitted == 1
        assert len(list((tmp_path / "out").glob("task-*"))) == 1

    def test_is_sent_by_one_of_the_workers_that_have_the_same_step(
        self,
        add_jobs: Callable[..., QueuedBatch],
        new_worker: Callable[..., ManualWorker],
        account: Account,
    ) -> None:
        add_jobs(1)
        workers = [new_worker() for _ in range(4)]
        taken: list[list[Work]] = []
        for one in workers:
            one.make_due()
            taken.append(one.take())
            one.execute("UPDATE wanflow.queue SET status = 'queued'")
        assert all(len(works) == 1 for works in taken)
        with ThreadPoolExecutor() as pool:
            list(pool.map(ManualWorker.run, workers, taken))
        assert account.submitted == 1
        assert workers[0].states() == {"accepted": 1}

    def test_that_has_moved_on_is_not_changed_by_a_write_of_an_earlier_step(
        self,
        add_jobs: Callable[..., QueuedBatch],
        new_worker: Callable[..., ManualWorker],
    ) -> None:
        add_jobs(1)
        late, other = new_worker(), new_worker()
        late.turn([StepKind.SUBMIT])
        late.make_due()
        (poll,) = late.take([StepKind.POLL])
        late.die()
        other.drain()
        before = other.execute("SELECT * FROM wanflow.job")
        late.run([poll])
        assert other.execute("SELECT * FROM wanflow.job") == before
        assert other.rows() == 0

    def test_ends_without_a_file_where_its_task_fails(
        self,
        add_jobs: Callable[..., QueuedBatch],
        worker: ManualWorker,
    ) -> None:
        add_jobs(1, "[mock:fail=content_policy_violation]")
        worker.drain()
        assert worker.states() == {"failed": 1}
        assert worker.column("code") == ["content_policy_violation"]


class TestAWorkerThatIsKilled:
    def test_before_it_sends_leaves_the_job_to_another_worker(
        self,
        add_jobs: Callable[..., QueuedBatch],
        new_worker: Callable[..., ManualWorker],
        account: Account,
    ) -> None:
        add_jobs(3)
        dead, other = new_worker(), new_worker()
        dead.take()
        dead.die()
        other.drain()
        assert account.submitted == 3
        assert other.states() == {"saved": 3}

    def test_after_its_intent_leaves_a_job_that_is_uncertain_only_after_lease_and_timeout(
        self,
        add_jobs: Callable[..., QueuedBatch],
        new_worker: Callable[..., ManualWorker],
        account: Account,
    ) -> None:
        add_jobs(1)
        other = new_worker()
        _intend_and_die(new_worker())
        other.turn()
        assert other.states() == {"intent": 1}
        other.turn()
        assert other.states() == {"intent": 1}
        other.execute("UPDATE wanflow.job SET sending_until = sending_until - 100")
        other.drain()
        assert other.states() == {"uncertain": 1}
        assert account.submitted == 0
        assert other.rows() == 0

    def test_in_a_poll_or_a_download_costs_nothing(
        self,
        add_jobs: Callable[..., QueuedBatch],
        new_worker: Callable[..., ManualWorker],
        account: Account,
    ) -> None:
        add_jobs(2)
        for kind in (StepKind.POLL, StepKind.DOWNLOAD):
            other = new_worker()
            other.make_due()
            while not (works := new_worker().take([kind])):
                other.turn()
                other.make_due()
            assert len(works) == 2
            other.die()
        new_worker().drain()
        assert other.states() == {"saved": 2}
        assert account.submitted == 2

    def test_three_times_in_one_step_has_the_job_parked_with_the_reason(
        self,
        add_jobs: Callable[..., QueuedBatch],
        new_worker: Callable[..., ManualWorker],
        account: Account,
    ) -> None:
        add_jobs(1)
        for _ in range(3):
            dying = new_worker()
            assert len(dying.take()) == 1
            dying.die()
        other = new_worker()
        other.drain()
        assert other.column("parked") == ["3 workers died in its step"]
        assert other.sweep() == 0
        assert account.submitted == 0


class TestAWriteThatTheDatabaseRefuses:
    def test_three_times_has_the_job_parked_with_the_reason(
        self, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, account: Account
    ) -> None:
        """It is not tried for ever, as one that a lost database couldn't take."""
        add_jobs(1)
        worker.execute("ALTER TABLE wanflow.job ADD CONSTRAINT none CHECK (state <> 'completed')")
        worker.drain()
        (reason,) = worker.column("parked")
        assert 'violates check constraint "none"' in reason
        worker.execute("ALTER TABLE wanflow.job DROP CONSTRAINT none")
        assert admin.retry(worker.database, worker.engine) == 1
        worker.drain()
        assert worker.states() == {"saved": 1}
        assert account.submitted == 1


class TestALateResponse:
    def test_with_a_task_is_kept_whatever_others_decided_meanwhile(
        self,
        add_jobs: Callable[..., QueuedBatch],
        new_worker: Callable[..., ManualWorker],
        account: Account,
    ) -> None:
        add_jobs(1)
        stalled, other = new_worker(), new_worker()
        (work,) = stalled.take()
        write = stalled.stalled_submission(work)
        other.die()
        other.turn()
        other.execute("UPDATE wanflow.job SET sending_until = 0")
        other.drain()
        assert other.states() == {"uncertain": 1}
        write()
        assert other.states() == {"accepted": 1}
        other.drain()
        assert other.states() == {"saved": 1}
        assert account.submitted == 1


def _intend_and_die(worker: ManualWorker) -> None:
    (work,) = worker.take()
    worker.intend(work)
    worker.die()


class TestAResponseWithoutATask:
    @pytest.mark.parametrize("text", ["lost-response", "status=500", "empty"])
    def test_leaves_the_job_uncertain_and_is_not_sent_again(
        self,
        add_jobs: Callable[..., QueuedBatch],
        worker: ManualWorker,
        fault: Callable[..., AbstractContextManager[None]],
        text: str,
    ) -> None:
        add_jobs(1)
        with fault(text, operation=SUBMIT):
            worker.turn()
        worker.drain()
        assert worker.states() == {"uncertain": 1}
        assert worker.rows() == 0

    @pytest.mark.parametrize("text", ["stall-in-body", "drip=2", "lost-response"])
    def test_because_the_api_accepts_and_never_responds_is_charged_once_and_no_job_waits_for_it(
        self,
        add_jobs: Callable[..., QueuedBatch],
        new_worker: Callable[..., ManualWorker],
        account: Account,
        fault: Callable[..., AbstractContextManager[None]],
        text: str,
    ) -> None:
        """After the window of resends it isn't sent again, also if its user allows resends."""
        worker = new_worker(timeout=0.5)
        add_jobs(3, resubmit_uncertain=True)
        with fault(text, operation=SUBMIT):
            worker.turn(limit=1)
        assert account.submitted == 1
        worker.execute("UPDATE wanflow.job SET intended = intended - 61 WHERE state = 'uncertain'")
        worker.drain()
        states = worker.states()
        assert states.get("saved", 0) + states.get("uncertain", 0) == 3
        assert states["saved"] >= 2
        assert account.submitted == 3
