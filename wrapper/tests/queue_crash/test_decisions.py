"""Users decide at random times, while workers send the same jobs: nothing is paid for unseen."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from random import Random
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define, field
from click.testing import CliRunner

from tests.queue.test_steps import SUBMIT
from tests.queue.test_worker import running
from wanflow import AsyncClient
from wanflow.cli import main
from wanflow.queue import Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch

    Fault = Callable[..., AbstractContextManager[None]]

SEEDS = int(os.environ.get("WANFLOW_QUEUE_SEEDS", "3"))
JOBS = 8
UNKNOWN = "task-unified-1757156493-imcg5zqt"
FOREIGN = ("Traceback", "psycopg", "DETAIL", "deadlock", "SQLSTATE", "ShareLock")
OPEN = """
    SELECT 1 FROM wanflow.job WHERE parked IS NULL
        AND state IN ('planned', 'intent', 'accepted', 'completed')
    UNION SELECT 1 FROM wanflow.job WHERE state = 'uncertain' AND resend
"""
# The queue owns each job that hasn't ended, and no other.
WRONGLY_OWNED = """
    SELECT job.id, job.state, holder.token FROM wanflow.job AS job
    LEFT JOIN wanflow.holder AS holder ON holder.id = job.holder
    WHERE holder.token IS DISTINCT FROM CASE WHEN job.state NOT IN
        ('refused', 'saved', 'failed', 'lost', 'discarded') THEN 'queue' END
"""
DIFFERENCE = """
    SELECT batch.reserved - sum(coalesce(job.reserved, 0)) FROM wanflow.batch AS batch
    JOIN wanflow.job AS job ON job.batch = batch.id GROUP BY batch.id
"""
# What halts a batch with a limit until its user says what it cost at most.
UNPRICED = """
    SELECT job.id, job.task FROM wanflow.job AS job JOIN wanflow.batch AS batch
    ON batch.unpriced = job.id WHERE batch.halted LIKE 'the price of a job is unknown%%'
"""
FACTS = """
    SELECT id, body::json ->> 'prompt', sends, state, task, name IS NULL FROM wanflow.job
"""
pytestmark = pytest.mark.slow  # workers run, and retries wait


@define
class User:
    """Gives commands at random, about the jobs of a queue."""

    random: Random
    queue: str
    tasks: Callable[[], list[Any]]
    given: set[str | None] = field(factory=set["str | None"])
    decided: dict[int, str | None] = field(factory=dict[int, "str | None"])
    """The last decisions, by job: a task, or None for a discarded one; `given` has all of them."""
    shown: list[str] = field(factory=list[str])

    def run(self, *words: str) -> Any:
        found = CliRunner(env={"WANFLOW_QUEUE": self.queue}).invoke(main, ["queue", *words])
        self.shown.append(f"{words}: {found.exit_code} {found.output}")
        assert found.exit_code in {0, 2}, self.shown[-1]
        return found

    def decide(self, job: str, task: str | None, *more: str) -> None:
        """Give a job a task, or discard it, if that is allowed."""
        words = ["discard", job] if task is None else ["resolve", job, "--task", task]
        if self.run(*words, *more).exit_code == 0:
            self.decided[int(job)] = task
            self.given.add(task)

    def act(self) -> None:
        """Give a command."""
        listed = self.run("uncertain", "--json").stdout.splitlines()
        numbers = [json.loads(line)["id"] for line in listed] or [1]
        job = str(self.random.choice(numbers))
        match self.random.randrange(7):
            case 0:
                self.run("status")
            case 1:
                self.run("retry", "--name", "run1")
            case 2 | 3:
                self.run("retry", "--uncertain", *([job] if self.random.random() < 0.7 else []))
            case 4 | 5 as way:
                known = [UNKNOWN, *(one.id for one in self.tasks())]
                self.decide(job, self.random.choice(known) if way == 4 else None)
            case _ if self.random.random() < 0.2:
                self.run("cancel", "--name", "run1")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_users_decide_meanwhile_each_charge_is_known(
    seed: int,
    add_jobs: Callable[..., QueuedBatch],
    queue: str,
    server: MockServer,
    api_key: str,
    account: Account,
    worker: ManualWorker,
    fault: Fault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A job with an unknown task is parked soon.
    monkeypatch.setattr("wanflow.queue.error_outcome.LAG", 3.0)
    random = Random(seed)
    add_jobs(JOBS, max_credits=10_000, resubmit_uncertain=random.random() < 0.3)

    def tasks() -> list[Any]:
        return [one for one in list(server.gateway.tasks) if one.account is account]

    user = User(random, queue, tasks)
    with ExitStack() as stack:
        for text, probability in (("lost-response", 0.4), ("status=429", 0.1), ("status=503", 0.1)):
            stack.enter_context(fault(text, operation=SUBMIT, probability=probability))
        for number in range(2):
            client = AsyncClient(api_key, server.base_url, timeout=60.0)
            spool = tmp_path / f"spool{number}"
            stack.enter_context(running(Worker(client, queue, spool=spool, lease=2.0)))
        for _ in range(25):
            user.act()
            assert worker.execute(WRONGLY_OWNED) == []
            Event().wait(random.random() * 0.2)
        while worker.execute(OPEN):
            # A 429 and a 503 ask for a minute.
            worker.execute("UPDATE wanflow.rate SET paused_until = 0")
            worker.make_due()
            for job, task in worker.execute(UNPRICED):
                user.decide(str(job), task, "--credits", "5")
            Event().wait(0.1)
    check_charges(worker.execute(FACTS), user, delivered(server))
    assert worker.execute("SELECT 1 FROM wanflow.queue WHERE status = 'picked'") == []
    assert worker.execute(WRONGLY_OWNED) == []
    ((difference,),) = worker.execute(DIFFERENCE)
    assert abs(difference) < 1e-6
    for text in FOREIGN:
        assert not [shown for shown in user.shown if text in shown]


def delivered(server: MockServer) -> set[str]:
    """Return the tasks whose submissions got their responses."""
    return {
        one.task_id
        for one in server.journal
        if one.operation == SUBMIT and one.status == 200 and "lost-response" not in one.faults
    }


def check_charges(jobs: list[tuple[Any, ...]], user: User, responses: set[str]) -> None:
    """Check each job by itself: its sends cover its charges, and its state says what is unknown."""
    recorded = {task for *_, task, _ in jobs}
    charged: dict[str, set[str]] = {}
    for one in user.tasks():
        charged.setdefault(one.prompt, set()).add(one.id)
    for number, prompt, sends, state, task, second in jobs:
        own = charged.get(prompt, set[str]())
        facts = (number, sends, state, task, own, recorded, user.decided)
        # Only where the response was lost, or its user gave it to another job for a time.
        assert (own - recorded).isdisjoint(responses - user.given), facts
        if second:
            assert task in own, facts
            continue
        assert len(own) <= sends, facts
        if number in user.decided:
            assert task == user.decided[number], facts
            assert (state == "discarded") == (task is None), facts
        elif state in {"planned", "refused"}:
            assert not own, facts
        elif state == "uncertain":
            assert task is None, facts
        else:
            assert task in own, facts
    assert set(charged) <= {prompt for _, prompt, *_ in jobs}
