"""Submissions that are provably not accepted: sent again, ended, or halting their batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.queue.test_steps import SUBMIT
from wanflow import errors
from wanflow.queue import admin
from wanflow.queue.engine import StepKind
from wanflow.queue.error_outcome import may_pass
from wanflow.queue.steps import MAX_OUTAGE_TRIES, MAX_TRIES

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock import MockServer
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


def test_a_worker_with_a_wrong_key_beside_others_costs_nothing_and_loses_nothing(
    add_jobs: Callable[..., QueuedBatch],
    new_worker: Callable[..., ManualWorker],
    server: MockServer,
    account: Account,
) -> None:
    """It halts the batch, with its reason; tasks of the others are polled on by the others."""
    add_jobs(4)
    right, wrong = new_worker(), new_worker(key="a-key-that-the-api-refuses")
    refused = server.accounts.for_key("a-key-that-the-api-refuses")
    rule = server.faults.add("status=401", account=refused)
    right.turn([StepKind.SUBMIT], limit=2)
    wrong.turn()
    ((halted,),) = right.execute("SELECT halted FROM wanflow.batch")
    assert "401" in halted
    wrong.turn()
    right.drain()
    assert right.states() == {"saved": 2, "planned": 2}
    server.faults.remove(rule.id)
    assert admin.retry(right.database, right.engine) == 0
    right.sweep()
    right.drain()
    assert right.states() == {"saved": 4}
    assert (account.submitted, refused.submitted) == (4, 0)


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


@pytest.mark.parametrize("limit", [None, 1000], ids=["no limit", "with a limit"])
def test_nothing_is_sent_after_a_halt_of_what_workers_took_before_it(
    add_jobs: Callable[..., QueuedBatch],
    new_worker: Callable[..., ManualWorker],
    server: MockServer,
    account: Account,
    fault: Fault,
    limit: float | None,
) -> None:
    """Steps are taken ahead of their turn. The jobs are sent when the batch goes on."""
    add_jobs(6, max_credits=limit)
    first, second = new_worker(), new_worker()
    sent, ahead = first.take(limit=1), first.take(limit=2)
    others = second.take(limit=2)
    before = sum(one.operation == SUBMIT for one in server.journal)
    with fault("status=401", operation=SUBMIT):
        first.run(sent)
        first.run(ahead)
        second.run(others)
    assert sum(one.operation == SUBMIT for one in server.journal) == before + 1
    assert first.states() == {"planned": 6}
    assert set(first.column("reserved")) <= {None, 0.0}
    admin.retry(first.database, first.engine)
    assert first.sweep() == 5
    second.drain()
    assert second.states() == {"saved": 6}
    assert account.submitted == 6


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
    assert len(worker.rate.pauses) == 1, "only the 429 slows the workers"
    worker.drain()
    assert worker.states() == {"saved": 1}
    assert account.submitted == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.StorageFailed("s3://b/k can't be stored: it can't be reached"), True),
        (errors.DownloadFailed("broken off"), True),
        (errors.DownloadFailed("busy", status=503), True),
        (errors.DownloadFailed("gone", status=404), False),
        (errors.DownloadFailed("an HTML page", status=200), False),
        (errors.AuthenticationFailed("the key was refused", status=401), True),
        (errors.ConnectionFailed("refused"), True),
        (ValueError("a fault of the program"), False),
    ],
)
def test_what_passes_is_no_fault_of_the_job(error: Exception, expected: bool) -> None:
    assert may_pass(error) == expected


def test_a_download_waits_for_its_storage_and_is_saved_when_that_is_back(
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    add_jobs(1)
    worker.turn([StepKind.SUBMIT])
    worker.turn([StepKind.POLL])
    (tmp_path / "out").touch()
    for _ in range(MAX_TRIES + 2):
        worker.turn()
    assert worker.column("parked") == [None]
    delay = "SELECT extract(epoch FROM execute_after - now())::float8 FROM wanflow.queue"
    assert 60 < worker.execute(delay)[0][0] <= 300
    assert "a step of job" in caplog.text
    assert str(tmp_path) not in caplog.text
    (tmp_path / "out").unlink()
    worker.drain()
    assert worker.states() == {"saved": 1}


def test_what_a_download_needs_is_waited_for_and_then_the_job_is_parked(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, tmp_path: Path
) -> None:
    add_jobs(1)
    worker.turn([StepKind.SUBMIT])
    worker.turn([StepKind.POLL])
    (tmp_path / "out").touch()
    worker.execute("UPDATE wanflow.job SET tries = %s", MAX_OUTAGE_TRIES - 2)
    worker.turn()
    assert worker.column("parked") == [None]
    worker.turn()
    assert worker.column("parked") != [None]


def test_links_that_come_late_are_asked_for_again(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, fault: Fault
) -> None:
    """A completed task is paid for, and only another poll can say where its files are."""
    add_jobs(1)
    worker.turn([StepKind.SUBMIT])
    with fault("missing=results", operation="getTaskDetail"):
        for _ in range(10):
            worker.turn()
    assert worker.states() == {"completed": 1}
    assert worker.column("parked") == [None]
    worker.drain()
    assert worker.states() == {"saved": 1}


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
