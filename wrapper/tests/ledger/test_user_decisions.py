"""Users decide about uncertain jobs: a job gets its task, or it is never sent again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from tests.ledger.test_commands import LedgerCommand
from tests.ledgers import execute
from wanflow import Client, errors
from wanflow._core.recorder import Budget
from wanflow._core.snapshot import Snapshot
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from wanflow.ledger.job import Job
    from wanflow.mock import MockServer

UNKNOWN = "task-unified-1757156493-imcg5zqt"


@pytest.fixture
def client(mock: MockServer, api_key: str, ledger: Ledger) -> Iterator[Client]:
    with Client(api_key, mock.base_url, ledger=ledger, retry_timeout=0) as one:
        yield one


@pytest.fixture
def lost(
    client: Client, ledger: Ledger, mock: MockServer, api_key: str, model: str
) -> tuple[Job, str]:
    """An uncertain job, and the task that the mock has of it."""
    account = mock.accounts.for_key(api_key)
    rule = mock.faults.add("lost-response", count=1, account=account)
    with pytest.raises(errors.SubmitUncertain):
        client.submit({"model": model, "prompt": "x"})
    mock.faults.remove(rule.id)
    (task,) = [one.id for one in mock.gateway.tasks if one.account is account]
    return ledger.jobs()[0], task


def test_a_resolved_job_is_resumed_with_its_task_and_sends_nothing(
    client: Client,
    ledger: Ledger,
    lost: tuple[Job, str],
    submitted: Callable[[], int],
    tmp_path: Path,
) -> None:
    job, task = lost
    ledger.resolve(job, task)
    (resumed,) = client.resume_all(tmp_path, resubmit_uncertain=True)
    assert resumed.error is None
    assert (resumed.job.id, resumed.job.task_id) == (job.id, task)
    [saved] = ledger.jobs()
    assert (saved.state, saved.owner, len(saved.files)) == (JobState.SAVED, None, 1)
    assert submitted() == 1


def test_a_task_that_was_saved_before_becomes_that_of_the_job(
    client: Client, ledger: Ledger, lost: tuple[Job, str], tmp_path: Path
) -> None:
    """`wanflow wait TASK` recorded it without a key; now both are one job."""
    job, task = lost
    client.task(task).wait().download(tmp_path)
    ledger.resolve(job, task)
    [merged] = ledger.jobs()
    assert (merged.id, merged.key, merged.task_id) == (job.id, job.key, task)
    assert (merged.state, merged.owner, len(merged.files)) == (JobState.SAVED, None, 1)


def test_a_task_that_was_never_found_can_be_replaced(
    client: Client,
    ledger: Ledger,
    location: Path | str,
    lost: tuple[Job, str],
    tmp_path: Path,
    mock: MockServer,
    api_key: str,
) -> None:
    """A wrong id does no harm; after the first poll, the task is certain."""
    job, task = lost
    listed = LedgerCommand(location, mock, api_key)
    ledger.resolve(job, UNKNOWN)
    assert listed("list").stderr == ""
    # A server may know a task a minute later, so a wait goes on for so long.
    assert execute(location, "UPDATE job SET accepted = accepted - 100") == 1
    (missing,) = client.resume_all(tmp_path)
    assert isinstance(missing.error, errors.NotFound)
    said, *ways = listed("list").stderr.splitlines()
    assert said == f"job {job.id} was given task {UNKNOWN}, which no poll has found. Then"
    assert [way.split()[2:4] for way in ways] == [["resolve", "1"], ["discard", "1"]]
    ledger.discard(ledger.jobs()[0])
    ledger.resolve(ledger.jobs()[0], task)
    (found,) = client.resume_all(tmp_path)
    assert found.error is None
    assert listed("list").stderr == ""
    for decide in (lambda: ledger.resolve(found.job, UNKNOWN), lambda: ledger.discard(found.job)):
        with pytest.raises(errors.InvalidRequest, match="is saved; only a job that is uncertain"):
            decide()
    assert ledger.jobs()[0].task_id == task


def test_a_discarded_job_is_not_sent_again_and_stays_in_its_budget(
    client: Client,
    ledger: Ledger,
    mock: MockServer,
    lost: tuple[Job, str],
    submitted: Callable[[], int],
    tmp_path: Path,
) -> None:
    """Neither by a resume, nor with its key; it counts as if it had been charged."""
    job, _ = lost
    ledger.discard(job)
    [found] = ledger.jobs()
    assert (found.state, found.finished, found.owner) == (JobState.DISCARDED, True, None)
    assert found.reason is not None
    assert found.reason.startswith("it may have been charged (")
    assert list(client.resume_all(tmp_path, resubmit_uncertain=True)) == []
    assert job.body is not None
    with pytest.raises(errors.InvalidRequest, match="discarded by its user"):
        client.submit(job.body, idempotency_key=job.key, resubmit_uncertain=True)
    assert submitted() == 1


def test_a_discarded_job_counts_against_the_ceiling_of_its_budget(
    ledger: Ledger, location: Path | str, lost: tuple[Job, str]
) -> None:
    job, _ = lost
    execute(location, "UPDATE job SET name = 'a/b'")
    budget = Budget("a/", max_credits=1.0, unknown_price=0.75)
    assert ledger.budget(job.server, budget).committed == 0.75
    ledger.discard(job)
    assert ledger.budget(job.server, budget).committed == 0.75


@pytest.mark.parametrize("fault", ["missing=status", "null=status", "truncated", "reset-in-body"])
def test_a_task_that_a_response_named_is_no_decision_of_its_user(
    client: Client, ledger: Ledger, model: str, fault: str
) -> None:
    """It is paid for, also where the response had no status: its id must not be given up."""
    task = client.submit({"model": model, "prompt": f"[mock:fault={fault}] x"})
    [job] = ledger.jobs()
    for decide in (lambda: ledger.resolve(job, UNKNOWN), lambda: ledger.discard(job)):
        with pytest.raises(errors.InvalidRequest, match="is accepted; only a job that is"):
            decide()
    assert ledger.jobs() == [job]
    assert job.task_id == task.id


def test_a_task_that_a_response_named_stays_that_of_its_job_where_a_wait_was_recorded_before(
    client: Client, ledger: Ledger, lost: tuple[Job, str]
) -> None:
    """Both records become one, which knows that a response named the task."""
    job, task = lost
    ledger.acquire_task(job.server, task)
    ledger.record_accepted(str(job.key), Snapshot(task, ""), hold=False)
    [merged] = ledger.jobs()
    assert (merged.id, merged.task_id, merged.task_unknown) == (job.id, task, False)


def test_a_decision_about_a_job_whose_task_was_found_meanwhile_is_an_error(
    ledger: Ledger, lost: tuple[Job, str]
) -> None:
    """The job was read before a poll of another process found its task."""
    job, task = lost
    ledger.resolve(job, task)
    [before] = ledger.jobs()
    ledger.record_poll(job.server, Snapshot(task, "processing"))
    for decide in (lambda: ledger.resolve(before, UNKNOWN), lambda: ledger.discard(before)):
        with pytest.raises(errors.InvalidRequest, match="is accepted; only a job that is"):
            decide()
    assert ledger.jobs()[0].task_id == task


def test_of_decisions_at_the_same_time_for_one_task_one_is_taken(
    client: Client, ledger: Ledger, location: Path | str, mock: MockServer, model: str
) -> None:
    """The others are errors, and change nothing."""
    for number in range(8):
        with pytest.raises(errors.SubmitUncertain):
            client.submit({"model": model, "prompt": f"[mock:fault=lost-response] {number}"})
    before, start = ledger.jobs(), Barrier(8)

    def decide(job: Job) -> str:
        with Ledger(location) as own:
            start.wait()
            try:
                own.resolve(job, UNKNOWN)
            except errors.InvalidRequest as error:
                return str(error)
            return ""

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(decide, before))
    [winner] = [job.id for job, message in zip(before, said, strict=True) if not message]
    refused = f"task {UNKNOWN} is that of job {winner}, and a task has one job only"
    assert sorted(said) == ["", *[refused] * 7]
    assert [job for job in ledger.jobs() if job.id != winner] == [
        job for job in before if job.id != winner
    ]


@pytest.mark.parametrize("wrong", ["", "x", "task-unified-", "task-unified-1 2", "job-1", "a" * 32])
def test_an_id_of_another_form_is_an_error(
    ledger: Ledger, lost: tuple[Job, str], wrong: str
) -> None:
    with pytest.raises(errors.InvalidRequest, match="a task id begins with task-unified-"):
        ledger.resolve(lost[0], wrong)
    assert ledger.jobs() == [lost[0]]


def test_a_task_of_another_job_is_an_error(
    client: Client, ledger: Ledger, lost: tuple[Job, str], model: str
) -> None:
    taken = client.submit({"model": model, "prompt": "another"}).id
    with pytest.raises(errors.InvalidRequest, match=f"task {taken} is that of job 2"):
        ledger.resolve(lost[0], taken)
    assert ledger.jobs()[0] == lost[0]


def test_a_job_on_which_a_process_works_is_left_to_it(
    ledger: Ledger, location: Path | str, lost: tuple[Job, str]
) -> None:
    """It may be sending the job again at this moment."""
    job, task = lost
    with Ledger(location) as other:
        assert other.acquire(job)
        for known in (job, ledger.jobs()[0]):
            with pytest.raises(errors.JobLocked):
                ledger.resolve(known, task)
            with pytest.raises(errors.JobLocked):
                ledger.discard(known)
    assert ledger.jobs() == [job]


def test_the_commands_settle_a_job(
    ledger: Ledger, location: Path | str, mock: MockServer, api_key: str, lost: tuple[Job, str]
) -> None:
    job, task = lost
    ledger.close()
    command = LedgerCommand(location, mock, api_key)
    assert "is discarded: it is not sent again" in command("discard", str(job.id)).stderr
    row = command("list").stdout.splitlines()[1]
    assert "discarded" in row
    assert "it may have been charged" in row
    assert f"has task {task}" in command("resolve", str(job.id), "--task", task).stderr
    command("resolve", str(job.id), code=2)
    assert "accepted" in command("list").stdout


@pytest.mark.parametrize(("name", "warned"), [("owl", True), ("mcp:x:y", False), (None, False)])
def test_forgetting_a_job_of_a_batch_says_that_it_is_sent_again(
    ledger: Ledger,
    location: Path | str,
    mock: MockServer,
    api_key: str,
    lost: tuple[Job, str],
    name: str | None,
    warned: bool,
) -> None:
    """Before it is deleted; a job of agents or without a name is in no batch."""
    ledger.close()
    execute(location, "UPDATE job SET name = ?", [name])
    command = LedgerCommand(location, mock, api_key)
    assert "next run" not in command("forget", "1", code=2).stderr
    said = command("forget", "1", "--force").stderr
    assert said.partition("1 forgotten")[0].count("the next run of the batch sends job 1") == warned
