"""A database that isn't well: it is silent for long, or has no connection left."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Event
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.any_model import model_name
from tests.queue.conftest import initialize
from tests.queue.manual_worker import enqueue
from tests.queue_crash.processes import WorkerOptions, running
from wanflow.mock import MockServer
from wanflow.queue.database import Database, DatabaseLost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres import PostgresServer
    from wanflow.queue.handle import QueuedBatch

JOBS = 12
LEASE = 5.0
pytestmark = pytest.mark.slow  # processes are started, and leases end


@pytest.fixture
def mock() -> Iterator[MockServer]:
    """A mock that ignores idempotency keys, so it charges twice for what is sent twice."""
    with MockServer(polls=1, idempotency=False) as server:
        yield server


@pytest.fixture
def url(own_postgres_server: PostgresServer) -> str:
    """The URL of a queue whose server the test may disturb."""
    url = own_postgres_server.create_database()
    initialize(url)
    return url


@pytest.fixture
def options(url: str, mock: MockServer, api_key: str, tmp_path: Path) -> WorkerOptions:
    """What workers are started with."""
    return WorkerOptions(url, mock.base_url, api_key, tmp_path / "spool", lease=LEASE)


def add(options: WorkerOptions, mock: MockServer, out: Path) -> QueuedBatch:
    """Enqueue some jobs."""
    model = model_name("image")
    jobs = [{"model": model, "prompt": f"a cat {number}"} for number in range(JOBS)]
    return enqueue(options.queue, mock, options.key, jobs, out)


def query(url: str, text: str) -> list[tuple[Any, ...]]:
    """Execute a query; a database that is lost is waited for."""
    while True:
        try:
            with Database(url) as database, database.connection() as connection:
                return connection.execute(text.encode()).fetchall()
        except DatabaseLost:
            Event().wait(0.1)


def wait_for(url: str, text: str) -> None:
    """Wait until a query has a row."""
    while not query(url, text):
        Event().wait(0.05)


class TestADatabase:
    def test_that_is_silent_for_longer_than_the_lease_costs_nothing(
        self,
        own_postgres_server: PostgresServer,
        options: WorkerOptions,
        mock: MockServer,
        tmp_path: Path,
    ) -> None:
        """Its processes are stopped while submissions are in flight, and go on."""
        batch = add(options, mock, tmp_path / "out")
        mock.faults.add("latency=0.3", operation="createImageGeneration")
        with running(options, options):
            for state in ("intent", "accepted"):
                wait_for(options.queue, f"SELECT FROM wanflow.job WHERE state = '{state}'")
                with own_postgres_server.silent():
                    Event().wait(2 * LEASE)
            report = batch.wait()
        assert report.complete, report.summary
        assert mock.accounts.for_key(options.key).submitted == JOBS

    def test_without_a_free_connection_is_waited_for(
        self, options: WorkerOptions, mock: MockServer, tmp_path: Path
    ) -> None:
        """Workers that have none, and workers that are started meanwhile."""
        batch = add(options, mock, tmp_path / "out")
        mock.faults.add("latency=0.3", operation="createImageGeneration")
        with running(options, options), ExitStack() as taken:
            wait_for(options.queue, "SELECT FROM wanflow.job WHERE state = 'intent'")
            first = take_all(options.queue, taken)
            first.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND wait_event = 'ClientRead' "
                "AND query NOT LIKE 'SELECT 1%'"
            )
            take_all(options.queue, taken)
            late = options.start()
            Event().wait(LEASE)
            assert late.poll() is None
            taken.close()
            report = batch.wait()
            late.kill()
            late.wait()
        assert mock.accounts.for_key(options.key).submitted == JOBS
        assert report.complete, report.summary


def take_all(url: str, taken: ExitStack) -> psycopg.Connection[Any]:
    """Take all connections that are left; return the first."""
    found: list[psycopg.Connection[Any]] = []
    while True:
        try:
            connection = psycopg.connect(url, autocommit=True)
        except psycopg.OperationalError:
            assert found
            return found[0]
        taken.callback(connection.close)
        connection.execute("SELECT 1")
        found.append(connection)
