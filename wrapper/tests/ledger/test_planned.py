"""A planned job waits in a queue: nothing was sent, and only the queue's workers submit it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tests.ledgers import execute
from wanflow import errors
from wanflow._core.recorder import Budget, SubmissionIntent
from wanflow.batch.models import JobResult, JobStatus, PlannedJob
from wanflow.batch.reconcile import reconcile
from wanflow.cli import main
from wanflow.ledger import JobState, Ledger
from wanflow.ledger.refs import IdRef

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow.ledger.job import Job

SERVER = "http://api.example/v1"
NAME = "run/one"
BUDGET = Budget("run/", max_credits=1.0, unknown_price=1.0)


def intent(
    key: str = "key-of-the-planned-job", name: str = NAME, **more: object
) -> SubmissionIntent:
    return SubmissionIntent(SERVER, key, "m", {"prompt": "x"}, b"{}", name=name, **more)


@pytest.fixture
def planned(ledger: Ledger) -> Job:
    """A job that was planned, as a queue records it."""
    ledger.record_intent(intent())
    [job] = ledger.jobs()
    assert ledger._store.change(IdRef(job.id), {"state": JobState.PLANNED, "owned": False})
    return ledger.jobs()[0]


def test_a_planned_job_is_not_resumed(ledger: Ledger, planned: Job) -> None:
    """Nothing was sent, so no process resumes it, and no server has unfinished jobs for it."""
    assert ledger.claim(SERVER, unsaved=True) == ledger.claim("http://other.example/v1")
    assert not ledger.remaining("http://other.example/v1").other_servers
    assert not planned.finished
    assert not planned.uncertain


def test_a_planned_job_costs_nothing(ledger: Ledger, planned: Job) -> None:
    """A budget that allows one submission allows it beside any number of planned ones."""
    assert ledger.budget(SERVER, BUDGET).committed == 0
    ledger.record_intent(intent("key-of-another-job", "run/two", budget=BUDGET))
    assert ledger.budget(SERVER, BUDGET).committed == 1


@pytest.mark.parametrize("resend", [False, True])
def test_a_planned_job_is_submitted_by_its_queue_only(
    ledger: Ledger, planned: Job, resend: bool
) -> None:
    """The same key isn't sent by this process, even where uncertain jobs are sent again."""
    with pytest.raises(errors.JobLocked, match="waits in a queue"):
        ledger.record_intent(intent(resend=resend))
    assert ledger.jobs() == [planned]


def test_a_batch_without_the_queue_leaves_a_planned_job(ledger: Ledger, planned: Job) -> None:
    """To a batch of one process, the job is locked."""
    job = PlannedJob(1, NAME, "m", {}, b"{}")
    found = reconcile(ledger, job, "", [planned], {}, retries=3, resend=True)
    assert isinstance(found, JobResult)
    assert found.status is JobStatus.LOCKED


def test_listings_say_that_nothing_was_sent(
    ledger: Ledger, location: Path | str, planned: Job
) -> None:
    """`wanflow ledger list` selects planned jobs, and says what becomes of them."""
    ledger.close()
    done = CliRunner().invoke(main, ["ledger", "list", "--state=planned", f"--ledger={location}"])
    assert "nothing was sent" in done.output
    assert "uncertain" not in done.output


def test_a_planned_job_is_forgotten_by_force_only(
    ledger: Ledger, location: Path | str, planned: Job
) -> None:
    """The refusal to forget it doesn't claim that it was paid for."""
    ledger.close()
    words = ["ledger", "forget", str(planned.id), f"--ledger={location}"]
    refused = CliRunner().invoke(main, words)
    assert refused.exit_code != 0
    assert "is planned, and its queue would submit it" in refused.output
    assert CliRunner().invoke(main, [*words, "--force"]).exit_code == 0


@pytest.mark.parametrize("state", [JobState.INTENT, JobState.UNCERTAIN, JobState.ACCEPTED])
def test_a_job_of_a_queue_is_left_to_its_workers(postgres_url: str, state: JobState) -> None:
    """A resume or the same key elsewhere would submit what a worker may be submitting."""
    with Ledger(postgres_url) as one:
        one.record_intent(intent())
        [job] = one.jobs()
        one._store.change(IdRef(job.id), {"state": state, "owned": False})
        execute(postgres_url, "ALTER TABLE job ADD COLUMN batch bigint")
        execute(postgres_url, "UPDATE job SET batch = 1")
        claim = one.claim(SERVER)
        assert (claim.jobs, claim.locked) == ((), 1)
        [job] = one.jobs()
        assert not one.acquire(job)
        with pytest.raises(errors.JobLocked):
            one.resend(job)
        with pytest.raises(errors.JobLocked):
            one.record_intent(intent(resend=True))
