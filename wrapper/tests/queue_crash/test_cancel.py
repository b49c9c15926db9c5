"""A batch that is canceled while workers send its jobs, some of which are rejected for now."""

from __future__ import annotations

from collections import Counter
from threading import Event
from typing import TYPE_CHECKING

import pytest

from tests.any_model import model_name
from tests.queue.manual_worker import enqueue
from tests.queue.test_steps import SUBMIT
from tests.queue_crash.processes import WorkerOptions, running
from wanflow.mock import MockServer
from wanflow.queue.admin import cancel, retry
from wanflow.queue.database import Database
from wanflow.queue.engine import Engine

if TYPE_CHECKING:
    from pathlib import Path

JOBS = 60
pytestmark = pytest.mark.slow  # processes are started


@pytest.mark.parametrize("killed", [False, True], ids=["all live", "one is killed"])
def test_nothing_is_sent_after_a_cancel_but_what_was_being_sent(
    queue: str, api_key: str, tmp_path: Path, killed: bool
) -> None:
    """Whatever is retried meanwhile, and whichever worker is killed."""
    with (
        MockServer(polls=1, idempotency=False, journal_entries=10_000) as mock,
        Database(queue) as database,
    ):
        jobs = [{"model": model_name("image"), "prompt": f"a cat {n}"} for n in range(JOBS)]
        batch = enqueue(queue, mock, api_key, jobs, tmp_path / "out", resubmit_uncertain=True)
        mock.faults.add("latency=0.3,status=429", operation=SUBMIT, probability=0.3)
        mock.faults.add("latency=0.3", operation=SUBMIT)
        options = WorkerOptions(queue, mock.base_url, api_key, tmp_path / "spool")

        def posts() -> int:
            return sum(one.operation == SUBMIT for one in mock.journal)

        def count(states: str) -> int:
            with database.connection() as connection:
                query = "SELECT count(*) FROM wanflow.job WHERE state = ANY(%s)"
                found = connection.execute(query, [states.split()]).fetchone()
            assert found is not None
            return int(found[0])

        with running(options, options, may_die=killed) as processes:
            while posts() < JOBS // 4 or not count("intent"):
                Event().wait(0.02)
            cancel(database, "run1")
            in_flight, before = count("intent"), posts()
            retry(database, Engine())
            if killed:
                processes[0].kill()
            assert len(batch.wait().results) == JOBS
        assert posts() - before <= in_flight
        assert count("planned intent accepted completed") == 0
        assert count("saved refused uncertain") == JOBS
        charged = Counter(
            one.body for one in mock.journal if one.operation == SUBMIT and one.status == 200
        )
        assert max(charged.values()) == 1
        assert sum(charged.values()) <= count("saved uncertain")
