"""Users decide about uncertain jobs of a queue: a job gets its task, or it is never sent again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from tests.queue.test_steps import SUBMIT
from wanflow.cli import main
from wanflow.errors import InvalidRequest
from wanflow.ledger import Ledger
from wanflow.queue import admin, user_decisions
from wanflow.queue.engine import Engine, StepKind
from wanflow.queue.results import Watch
from wanflow.queue.schema import open_queue

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch

    Fault = Callable[..., AbstractContextManager[None]]

UNKNOWN = "task-unified-1757156493-imcg5zqt"


@pytest.fixture
def lost(
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    server: MockServer,
    account: Account,
    fault: Fault,
) -> tuple[int, str]:
    """The number of an uncertain job, and the task that the mock has of it."""
    add_jobs(1, max_credits=1000)
    with fault("lost-response", operation=SUBMIT):
        worker.turn()
    (task,) = [one.id for one in server.gateway.tasks if one.account is account]
    return worker.column("id")[0], task


def run(*words: str, queue: str) -> Any:
    return CliRunner(env={"WANFLOW_QUEUE": queue}).invoke(main, ["queue", *words])


def test_workers_go_on_with_the_task_of_a_resolved_job(
    lost: tuple[int, str], worker: ManualWorker, account: Account, queue: str
) -> None:
    """Its poll is in the queue with the same commit: no sweeper is needed."""
    job, task = lost
    assert run("resolve", str(job), "--task", task, queue=queue).exit_code == 0
    assert worker.rows() == 1
    worker.drain()
    assert worker.states() == {"saved": 1}
    assert worker.column("task") == [task]
    assert account.submitted == 1


def test_a_discarded_job_is_not_sent_again_and_its_credits_stay_reserved(
    lost: tuple[int, str],
    worker: ManualWorker,
    add_jobs: Callable[..., QueuedBatch],
    account: Account,
    queue: str,
) -> None:
    """Also where a retry waited already, or the batch is enqueued again."""
    job, _ = lost
    worker.execute("UPDATE wanflow.job SET reserved = 2")
    worker.execute("UPDATE wanflow.batch SET reserved = 2")
    admin.retry(worker.database, worker.engine, uncertain=True)
    assert run("discard", str(job), queue=queue).exit_code == 0
    assert admin.retry(worker.database, worker.engine, uncertain=True) == 0
    again = add_jobs(1, max_credits=1000)
    worker.sweep()
    worker.drain()
    assert worker.states() == {"discarded": 1}
    assert worker.column("holder") == [None]
    assert [one.reserved for one in admin.batches(worker.database)] == [2]
    report = again.wait()
    assert report.complete
    assert [str(one.status) for one in report.results] == ["discarded"]
    assert account.submitted == 1


def test_a_response_that_comes_after_a_discard_is_a_job_that_the_queue_owns(
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    new_worker: Callable[..., ManualWorker],
    queue: str,
) -> None:
    """A discarded job has no owner any more, and its task is polled by workers alone."""
    add_jobs(1)
    (work,) = worker.take()
    respond = worker.stalled_submission(work)
    worker.execute("UPDATE wanflow.job SET sending_until = 0")
    worker.die()
    new_worker().turn()
    assert run("discard", str(work.id), queue=queue).exit_code == 0
    respond()
    owners = worker.execute(
        "SELECT job.state, holder.token FROM wanflow.job AS job "
        "LEFT JOIN wanflow.holder AS holder ON holder.id = job.holder ORDER BY job.id"
    )
    assert owners == [("discarded", None), ("accepted", "queue")]
    worker.drain()
    assert worker.states() == {"discarded": 1, "saved": 1}


@pytest.mark.parametrize("later", [False, True], ids=["with it", "later"])
@pytest.mark.parametrize("decision", ["discarded", "resolved"])
def test_a_batch_with_a_limit_goes_on_within_it_once_its_user_says_what_a_job_cost(
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    server: MockServer,
    account: Account,
    fault: Fault,
    queue: str,
    later: bool,
    decision: str,
) -> None:
    """Nobody else knows that: no job has shown its price, and polls show none."""
    add_jobs(3, max_credits=9)
    with fault("lost-response", operation=SUBMIT):
        worker.make_due()
        worker.run(worker.take([StepKind.SUBMIT], limit=1))
    worker.turn([StepKind.SUBMIT])
    ((job,),) = worker.execute("SELECT id FROM wanflow.job WHERE state = 'uncertain'")
    ((halted,),) = worker.execute("SELECT halted FROM wanflow.batch")
    assert "unknown" in halted
    (task,) = [one.id for one in server.gateway.tasks if one.account is account]
    words = ["resolve", str(job), "--task", task]
    if decision == "discarded":
        words = ["discard", str(job)]
    if later:
        assert run(*words, queue=queue).exit_code == 0
        worker.drain()
        assert worker.execute("SELECT halted FROM wanflow.batch") == [(halted,)]
    assert run(*words, "--credits", "8", queue=queue).exit_code == 0
    worker.sweep()
    worker.drain()
    worker.sweep()
    worker.drain()
    ((reserved,),) = worker.execute("SELECT reserved FROM wanflow.batch")
    ((price,),) = worker.execute("SELECT max(price) FROM wanflow.job")
    sent = account.submitted - 1
    assert reserved == pytest.approx(8 + sent * price)
    assert sent == 1 + (reserved + price <= 9)
    assert worker.states() == (
        {"discarded": 1, "saved": sent, "planned": 2 - sent}
        if decision == "discarded"
        else {"saved": 1 + sent, "planned": 2 - sent}
    )
    shown = run("status", queue=queue).stdout
    assert f"{8 + sent * price:g}" in shown


def test_a_price_that_the_api_showed_is_not_replaced(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, queue: str
) -> None:
    add_jobs(1, max_credits=1000)
    worker.drain()
    ((job, task, known),) = worker.execute("SELECT id, task, credits FROM wanflow.job")
    assert run("resolve", str(job), "--task", task, "--credits", "8", queue=queue).exit_code == 2
    assert worker.column("credits") == worker.column("reserved") == [known]


@pytest.mark.parametrize("cost", ["-1", "nan", "inf", "x"])
def test_no_number_of_credits_changes_nothing(
    lost: tuple[int, str], worker: ManualWorker, queue: str, cost: str
) -> None:
    for words in (["discard", str(lost[0])], ["resolve", str(lost[0]), "--task", lost[1]]):
        assert run(*words, "--credits", cost, queue=queue).exit_code == 2
    assert worker.states() == {"uncertain": 1}


def test_a_wrong_task_can_be_replaced_until_one_was_found(
    lost: tuple[int, str], worker: ManualWorker
) -> None:
    job, task = lost
    user_decisions.resolve(worker.database, worker.engine, job, UNKNOWN)
    worker.turn()
    assert worker.states() == {"accepted": 1}
    user_decisions.discard(worker.database, job)
    user_decisions.resolve(worker.database, worker.engine, job, task)
    worker.drain()
    assert worker.states() == {"saved": 1}
    with pytest.raises(InvalidRequest, match="is saved; only a job that is uncertain"):
        user_decisions.discard(worker.database, job)


@pytest.mark.parametrize("named", ["missing=status", "null=status", "truncated"])
def test_a_task_that_a_response_named_is_no_decision_of_its_user(
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    account: Account,
    fault: Fault,
    named: str,
) -> None:
    """It is paid for, also where the response had no status: its id must not be given up."""
    add_jobs(1, max_credits=1000)
    with fault(named, operation=SUBMIT):
        worker.turn()
    ((job,), (task,)) = worker.column("id"), worker.column("task")
    for decide in (
        lambda: user_decisions.discard(worker.database, job),
        lambda: user_decisions.resolve(worker.database, worker.engine, job, UNKNOWN),
    ):
        with pytest.raises(InvalidRequest, match="is accepted; only a job that is uncertain"):
            decide()
    assert worker.column("task") == [task]
    assert account.submitted == 1


@pytest.mark.parametrize("status", [404, 400, 403])
def test_a_job_that_was_given_a_wrong_task_is_parked_and_says_how_to_correct_it(
    lost: tuple[int, str], worker: ManualWorker, fault: Fault, queue: str, status: int
) -> None:
    """Once its task can't be too new to be known."""
    job, task = lost
    user_decisions.resolve(worker.database, worker.engine, job, UNKNOWN)
    with fault(f"status={status}", operation="getTaskDetail"):
        worker.turn()
        assert worker.column("parked") == [None]
        worker.execute("UPDATE wanflow.job SET intended = intended - 61")
        worker.turn()
    shown = run("uncertain", queue=queue).stdout
    assert f"the API has no task {UNKNOWN}, which this job was given" in shown
    assert f"wanflow queue resolve {job} --task ID" in shown
    assert run("resolve", str(job), "--task", task, queue=queue).exit_code == 0
    worker.drain()
    assert worker.states() == {"saved": 1}


def test_a_task_of_a_response_is_polled_on_although_the_api_does_not_know_it(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, fault: Fault
) -> None:
    """Nobody gave it, so nobody can correct it."""
    add_jobs(1)
    worker.turn([StepKind.SUBMIT])
    worker.execute("UPDATE wanflow.job SET intended = intended - 61, status = ''")
    with fault("status=404", operation="getTaskDetail"):
        worker.turn()
    assert worker.column("parked") == [None]
    assert worker.states() == {"accepted": 1}


def test_what_is_not_an_uncertain_job_with_a_task_of_its_own_is_refused(
    lost: tuple[int, str],
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    queue: str,
) -> None:
    """Another form of id, the task of another job, no such job; a ledger leaves it to the queue."""
    job, task = lost
    add_jobs(1, name="run2")
    worker.turn([StepKind.SUBMIT])
    other = worker.column("task")[1]
    for number, given, message in (
        (job, "a" * 32, "a task id begins with task-unified-"),
        (job, other, f"task {other} is that of job"),
        (job + 100, task, "the queue has no job"),
    ):
        done = run("resolve", str(number), "--task", given, queue=queue)
        assert done.exit_code == 2
        assert message in done.stderr
    with Ledger(queue) as ledger:
        found = ledger.find(job)
        assert found is not None
        with pytest.raises(InvalidRequest, match="is in a queue: use wanflow queue resolve"):
            ledger.resolve(found, task)
        with pytest.raises(InvalidRequest, match="or wanflow queue discard"):
            ledger.discard(found)
    assert worker.column("state") == ["uncertain", "accepted"]


def test_one_of_many_jobs_gets_the_task_that_all_are_given(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, fault: Fault, queue: str
) -> None:
    """The others are refused in a sentence, and stay uncertain."""
    add_jobs(8)
    with fault("lost-response", operation=SUBMIT, count=8):
        worker.turn([StepKind.SUBMIT])
    assert worker.states() == {"uncertain": 8}
    begin = Barrier(8)

    def resolve(job: int) -> str:
        with open_queue(queue) as database:
            begin.wait()
            try:
                user_decisions.resolve(database, Engine(), job, UNKNOWN)
            except InvalidRequest as error:
                return str(error)
            return ""

    with ThreadPoolExecutor(8) as threads:
        said = list(threads.map(resolve, worker.column("id")))
    refused = [text for text in said if text]
    assert len(refused) == 7
    assert all("and a task has one job only" in text for text in refused), refused
    assert worker.states() == {"uncertain": 7, "accepted": 1}


@pytest.mark.parametrize("sent", [False, True])
def test_a_batch_waits_for_a_job_that_is_sent_again(
    lost: tuple[int, str],
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    sent: bool,
) -> None:
    """Before a worker takes it, and while one sends it."""
    batch = add_jobs(1, max_credits=1000)
    watch = Watch(batch._batch, worker.database)  # pyright: ignore[reportPrivateUsage]
    assert [str(one.status) for one in watch.refresh()] == ["uncertain"]
    assert admin.retry(worker.database, worker.engine, uncertain=True) == 1
    taken = worker.take()
    if sent:
        worker.intend(taken[0])
    again = Watch(batch._batch, worker.database)  # pyright: ignore[reportPrivateUsage]
    assert again.refresh() == []
    assert (again.open, again.ended) == (1, 0)
    if sent:
        # The worker is killed: the job is uncertain again, and the batch waits no longer.
        worker.die()
        worker.drain()
        assert [str(one.status) for one in again.refresh()] == ["uncertain"]
        assert again.open == 0
