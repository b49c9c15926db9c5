"""After a user has decided about an uncertain job, the batch goes on with it, or leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.batch.test_batch import injected_fault, jobs_of, statuses
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from pathlib import Path

    from tests.batch.conftest import BatchRunner
    from wanflow.batch import Report
    from wanflow.ledger.job import Job
    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account


@pytest.fixture
def jobs(model: str) -> list[dict[str, Any]]:
    return jobs_of(model, "a", "b")


@pytest.fixture
def first(
    run_batch: BatchRunner, server: MockServer, account: Account, jobs: list[dict[str, Any]]
) -> Report:
    """A run in which a job is saved, and then the response to the other one is lost."""
    run_batch(jobs[:1])
    with injected_fault(server, account, "lost-response"):
        return run_batch(jobs)


def uncertain(ledger: Ledger) -> Job:
    [job] = ledger.jobs([JobState.UNCERTAIN])
    return job


def test_the_next_run_saves_the_files_of_a_task_that_a_job_was_given(
    run_batch: BatchRunner,
    server: MockServer,
    account: Account,
    ledger: Ledger,
    jobs: list[dict[str, Any]],
    first: Report,
) -> None:
    tasks = {task.id for task in server.gateway.tasks if task.account is account}
    (lost,) = tasks - {one.task_id for one in first.results}
    ledger.resolve(uncertain(ledger), lost)
    report = run_batch(jobs, resubmit_uncertain=True)
    assert report.complete
    assert {one.task_id for one in report.results} == tasks
    assert not report.credits_at_most
    assert report.credits_spent == pytest.approx(account.spent + account.reserved)
    assert account.submitted == 2


def test_a_discarded_job_ends_the_batch_and_counts_in_its_limit(
    run_batch: BatchRunner,
    account: Account,
    ledger: Ledger,
    model: str,
    jobs: list[dict[str, Any]],
    first: Report,
) -> None:
    """Whatever the next runs are allowed to send again."""
    price = first.credits_spent / 2
    ledger.discard(uncertain(ledger))
    again = {"resubmit_uncertain": True, "retries": 3}
    report = run_batch(jobs, **again)
    assert report.complete
    assert statuses(report) == ["saved", "discarded"]
    assert report.summary == f"1 saved, 1 discarded; at most {2 * price:g} credits"
    assert [row[1] for row in report.rows()] == ["discarded"]
    more = run_batch([*jobs, *jobs_of(model, "c")], max_credits=2.5 * price, **again)
    assert statuses(more) == ["saved", "discarded", "not_sent"]
    assert account.submitted == 2


def test_a_total_with_submissions_that_perhaps_cost_nothing_says_at_most(
    run_batch: BatchRunner, jobs: list[dict[str, Any]], first: Report, tmp_path: Path
) -> None:
    """While one is uncertain, and after it was sent again; without them the total is known."""
    assert f"; at most {first.credits_spent:g} credits" in first.summary
    again = run_batch(jobs, resubmit_uncertain=True)
    assert again.complete
    assert f"; at most {1.5 * first.credits_spent:g} credits" in again.summary
    known = run_batch(jobs[:1])
    assert f"; {first.credits_spent / 2:g} credits" in known.summary
    assert not known.to_dict()["credits_at_most"]
