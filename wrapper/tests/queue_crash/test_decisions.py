"""Users decide at random times, while workers send the same jobs: nothing is paid for unseen."""

from __future__ import annotations

import json
import os
from collections import Counter
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
OWNED = "SELECT 1 FROM wanflow.job WHERE state IN ('saved', 'discarded') AND holder IS NOT NULL"
DIFFERENCE = """
    SELECT batch.reserved - sum(coalesce(job.reserved, 0)) FROM wanflow.batch AS batch
    JOIN wanflow.job AS job ON job.batch = batch.id GROUP BY batch.id
"""
JOBS_OF = """
    SELECT body::json ->> 'prompt', sum(sends), array_agg(state), array_agg(task)
    FROM wanflow.job GROUP BY 1
"""
pytestmark = pytest.mark.slow  # workers run, and retries wait


@define
class User:
    """Gives commands at random, about the jobs of a queue."""

    random: Random
    queue: str
    tasks: Callable[[], list[Any]]
    resolved: set[int] = field(factory=set[int])
    shown: list[str] = field(factory=list[str])

    def run(self, *words: str) -> Any:
        found = CliRunner(env={"WANFLOW_QUEUE": self.queue}).invoke(main, ["queue", *words])
        self.shown.append(f"{words}: {found.exit_code} {found.output}")
        assert found.exit_code in {0, 2}, self.shown[-1]
        return found

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
            case 4:
                task = self.random.choice([UNKNOWN, *(one.id for one in self.tasks())])
                if self.run("resolve", job, "--task", task).exit_code == 0:
                    self.resolved.add(int(job))
            case 5:
                self.run("discard", job)
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
) -> None:
    random = Random(seed)
    add_jobs(JOBS, max_credits=10_000, resubmit_uncertain=random.random() < 0.3)

    def tasks() -> list[Any]:
        return [one for one in list(server.gateway.tasks) if one.account is account]

    user = User(random, queue, tasks)
    with ExitStack() as stack:
        for text, probability in (("lost-response", 0.4), ("status=429", 0.1), ("status=503", 0.1)):
            stack.enter_context(fault(text, operation=SUBMIT, probability=probability))
        for number in range(2):
            client = AsyncClient(api_key, server.base_url, timeout=3.0)
            spool = tmp_path / f"spool{number}"
            stack.enter_context(running(Worker(client, queue, spool=spool, lease=2.0)))
        for _ in range(25):
            user.act()
            Event().wait(random.random() * 0.2)
        while worker.execute(OPEN):
            Event().wait(0.1)
    check_charges(worker, user)
    assert worker.execute("SELECT 1 FROM wanflow.queue WHERE status = 'picked'") == []
    assert worker.execute(OWNED) == []
    ((difference,),) = worker.execute(DIFFERENCE)
    assert abs(difference) < 1e-6
    for text in FOREIGN:
        assert not [shown for shown in user.shown if text in shown]


def check_charges(worker: ManualWorker, user: User) -> None:
    """Check that each task is a job's, and that the sends of a job cover its charges."""
    jobs = {prompt: facts for prompt, *facts in worker.execute(JOBS_OF)}
    recorded = {task for _, _, known in jobs.values() for task in known}
    charged = Counter(one.prompt for one in user.tasks())
    for prompt, (sends, _, _) in jobs.items():
        assert charged[prompt] <= sends, (prompt, charged, sends)
    for one in user.tasks():
        sends, states, _ = jobs[one.prompt]
        uncertain = sends > 1 or not {"uncertain", "discarded"}.isdisjoint(states)
        assert one.id in recorded or uncertain or user.resolved, one
