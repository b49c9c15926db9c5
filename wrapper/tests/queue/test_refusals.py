"""Submissions that are provably not accepted: sent again, ended, or halting their batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.queue.test_steps import SUBMIT
from wanflow.queue.engine import StepKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch

    Fault = Callable[..., AbstractContextManager[None]]


@pytest.mark.parametrize("text", ["status=429", "status=503"])
def test_a_busy_server_is_asked_again_later_and_slows_all_workers(
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    account: Account,
    fault: Fault,
    text: str,
) -> None:
    add_jobs(2)
    with fault(text, operation=SUBMIT):
        for _ in range(4):
            worker.turn()
            assert worker.states() == {"planned": 2}
            assert worker.rows() == 2
    assert len(worker.rate.pauses) == 8
    worker.drain()
    assert worker.states() == {"saved": 2}
    assert account.submitted == 2


@pytest.mark.parametrize("text", ["status=400", "status=403", "status=413"])
def test_a_rejection_ends_the_job_and_no_other(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, fault: Fault, text: str
) -> None:
    add_jobs(3)
    with fault(text, operation=SUBMIT, count=1):
        worker.turn([StepKind.SUBMIT], limit=1)
    worker.drain()
    assert worker.states() == {"refused": 1, "saved": 2}


@pytest.mark.parametrize("text", ["status=401", "status=402"])
def test_a_refused_key_or_account_halts_the_batch_for_all_workers_until_a_user_retries(
    add_jobs: Callable[..., QueuedBatch],
    new_worker: Callable[..., ManualWorker],
    account: Account,
    fault: Fault,
    text: str,
) -> None:
    batch = add_jobs(5)
    first, second = new_worker(), new_worker()
    with fault(text, operation=SUBMIT):
        first.turn([StepKind.SUBMIT], limit=1)
    second.drain()
    assert account.submitted == 0
    assert second.states() == {"planned": 5}
    assert second.sweep() == 0
    report = batch.wait()
    assert [str(one.status) for one in report.results] == ["not_sent"] * 5
    assert text[-3:] in report.stop_reason
    # Enqueuing the batch again is the user's way to say that it may go on.
    assert add_jobs(5).added == 0
    second.drain()
    assert second.states() == {"saved": 5}
    assert account.submitted == 5


def test_polls_of_paid_tasks_go_on_while_a_batch_is_halted(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, fault: Fault
) -> None:
    add_jobs(2)
    worker.turn([StepKind.SUBMIT], limit=1)
    with fault("status=402", operation=SUBMIT):
        worker.turn([StepKind.SUBMIT], limit=1)
    worker.drain()
    assert worker.states() == {"planned": 1, "saved": 1}


def test_failing_polls_cost_nothing_but_time(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, account: Account, fault: Fault
) -> None:
    add_jobs(1)
    worker.turn([StepKind.SUBMIT])
    for text in ("status=500", "status=429", "status=404", "reset", "html", "truncated"):
        with fault(text, operation="getTaskDetail"):
            worker.turn()
        assert worker.states() == {"accepted": 1}
        assert worker.rows() == 1
    worker.drain()
    assert worker.states() == {"saved": 1}
    assert account.submitted == 1


def test_a_download_that_fails_three_times_is_parked_with_its_reason(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, fault: Fault
) -> None:
    batch = add_jobs(1)
    with fault("status=404", operation="files"):
        worker.drain()
    assert worker.states() == {"completed": 1}
    (parked,) = worker.column("parked")
    assert "404" in parked
    (result,) = list(batch)
    assert str(result.status) == "resumable"
    assert result.reason == parked
