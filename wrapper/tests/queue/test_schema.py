"""The tables of a queue beside those of a ledger: one truth, and each leaves the other's alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import TYPE_CHECKING

import pytest

from tests.queue.test_steps import SUBMIT
from wanflow import Client
from wanflow.errors import ConfigurationError
from wanflow.ledger import JobState, Ledger
from wanflow.queue import schema
from wanflow.queue.database import Database
from wanflow.queue.engine import StepKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.postgres import PostgresServer
    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch


class TestInitializing:
    def test_again_or_concurrently_changes_nothing(self, postgres_url: str) -> None:
        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(schema.initialize, repeat(postgres_url, 4)))
        assert sorted(one.changes for one in done) == [0, 0, 0, len(schema.MIGRATIONS)]
        assert schema.initialize(postgres_url).changes == 0

    def test_says_that_a_commit_is_on_one_machine_only(self, queue: str) -> None:
        assert schema.initialize(queue).single_copy

    def test_says_nothing_of_a_database_with_a_synchronous_standby(
        self, own_queue: tuple[PostgresServer, str]
    ) -> None:
        postgres, url = own_queue
        postgres.execute("ALTER SYSTEM SET synchronous_standby_names = 'one'")
        postgres.execute("SELECT pg_reload_conf()")
        with Database(url) as database, database.connection() as connection:
            while schema.without_standby(connection):
                pass

    def test_refuses_tables_of_a_newer_version(self, queue: str, worker: ManualWorker) -> None:
        worker.execute("UPDATE wanflow.queue_version SET version = 99")
        with pytest.raises(ConfigurationError, match="the queue has version 99"):
            schema.initialize(queue)
        with pytest.raises(ConfigurationError, match="the queue has version 99"):
            schema.require_installed(worker.database)

    def test_everything_is_in_one_schema(self, queue: str, worker: ManualWorker) -> None:
        worker.execute("DROP SCHEMA wanflow CASCADE")
        assert schema.initialize(queue).changes == len(schema.MIGRATIONS)


class TestTheLedger:
    def test_shows_the_jobs_of_the_queue(
        self, queue: str, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker
    ) -> None:
        add_jobs(2)
        with Ledger(queue) as ledger:
            assert [job.state for job in ledger.jobs()] == [JobState.PLANNED] * 2
            worker.drain()
            jobs = ledger.jobs()
            assert [job.state for job in jobs] == [JobState.SAVED] * 2
            assert all(file.path.exists() for job in jobs for file in job.files)

    def test_of_a_resume_leaves_jobs_to_their_workers_and_sends_nothing(
        self,
        queue: str,
        add_jobs: Callable[..., QueuedBatch],
        worker: ManualWorker,
        server: MockServer,
        api_key: str,
        account: Account,
        fault: Callable[..., AbstractContextManager[None]],
        tmp_path: Path,
    ) -> None:
        """A worker may be sending one of them just now."""
        add_jobs(4)
        worker.turn([StepKind.SUBMIT], limit=1)
        with fault("reset", operation=SUBMIT):
            worker.turn([StepKind.SUBMIT], limit=1)
        worker.make_due()
        (work,) = worker.take([StepKind.SUBMIT], limit=1)
        worker.intend(work)
        before = worker.states()
        assert before == {"accepted": 1, "uncertain": 1, "intent": 1, "planned": 1}
        with Ledger(queue) as ledger, Client(api_key, server.base_url, ledger=ledger) as client:
            report = client.resume_all(tmp_path, resubmit_uncertain=True)
            assert len(report) == 0
        assert worker.states() == before
        assert account.submitted == 1

    def test_owns_no_job_that_has_ended(
        self, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker
    ) -> None:
        add_jobs(2)
        assert worker.execute("SELECT count(*) FROM wanflow.job WHERE holder IS NULL") == [(0,)]
        worker.drain()
        assert worker.execute("SELECT count(*) FROM wanflow.job WHERE holder IS NULL") == [(2,)]
