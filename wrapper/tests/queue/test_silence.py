"""A database that is silent while its connection lives, or slow: none is waited for for ever."""

from __future__ import annotations

from threading import Thread
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.queue.test_worker import wait_until
from wanflow._core.effects import TimePoint
from wanflow.errors import LedgerError
from wanflow.queue.database import Database, DatabaseLost
from wanflow.queue.engine import StepKind
from wanflow.queue.submission_outcome import NotAccepted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.ledger.cutting_proxy import CuttingProxy
    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch

NOW = TimePoint(1.8e9, 1.8e9)
WAITS = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


class TestAStatement:
    def test_without_a_response_is_given_up_after_the_limit(
        self, proxied_queue: str, proxy: CuttingProxy
    ) -> None:
        with Database(proxied_queue, limit=0.5) as database:
            with database.connection() as connection:
                connection.execute("SELECT 1")
            proxy.passing.clear()
            with pytest.raises(DatabaseLost, match="no response"), database.transaction() as one:
                one.execute("SELECT 1")
            proxy.passing.set()
            with database.connection() as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)

    def test_that_is_answered_within_the_limit_each_is_not_given_up(
        self, proxied_queue: str, proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The limit is for one response, however many there are."""
        clock, later = [0.0], 0.0
        given = SimpleNamespace(monotonic=lambda: clock[0])
        monkeypatch.setattr("wanflow.queue.limited_connection.time", given)

        def pass_time(_: bytes) -> None:
            clock[0] = later

        with Database(proxied_queue, limit=3.0) as database, database.connection() as connection:
            proxy.cut = pass_time
            for _ in range(6):
                later += 2.0
                connection.execute("SELECT pg_sleep(0.3)")
            assert clock == [12.0]

    def test_ends_immediately_when_its_database_is_given_up(self, queue: str) -> None:
        with Database(queue) as database:
            errors: list[DatabaseLost] = []

            def execute() -> None:
                try:
                    with database.connection() as connection:
                        connection.execute("SELECT pg_sleep(600)")
                except DatabaseLost as error:
                    errors.append(error)

            thread = Thread(target=execute, daemon=True)
            thread.start()
            with Database(queue) as other, other.connection() as connection:
                sleeps = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
                wait_until(lambda: bool(connection.execute(sleeps).fetchall()))
            database.give_up()
            thread.join(30)
            assert len(errors) == 1
            with pytest.raises(DatabaseLost):
                database.connection().__enter__()


def test_an_attempt_to_connect_that_lasted_is_not_repeated_by_all_who_wait(
    proxied_queue: str, proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred steps that wait for it would wait a hundred times."""
    monkeypatch.setattr("wanflow.queue.database._PAUSE", 1e6)
    proxy.passing.clear()
    with Database(proxied_queue) as database:
        for _ in range(20):
            with pytest.raises(DatabaseLost):
                database.connection().__enter__()
    assert proxy.accepted == 1


@pytest.mark.parametrize("values", [[], [object()], ["\0"]], ids=["missing", "kind", "NUL"])
def test_what_psycopg_itself_refuses_is_no_lost_database(queue: str, values: list[Any]) -> None:
    """It would be done again for ever, and its user would check the server."""
    with Database(queue) as database:
        with pytest.raises(LedgerError) as refused, database.transaction() as connection:
            connection.execute("SELECT %s::text", values)
        assert not isinstance(refused.value, DatabaseLost)
        assert "can't be reached" not in str(refused.value)


def test_a_job_whose_intent_took_longer_than_a_lease_is_not_sent(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, account: Account
) -> None:
    """Others may have decided by then that its request has ended."""
    add_jobs(1)
    worker.steps.lease = 0.0
    worker.turn([StepKind.SUBMIT])
    assert account.submitted == 0
    assert worker.states() == {"planned": 1}
    worker.steps.lease = 30.0
    worker.drain()
    assert worker.states() == {"saved": 1}
    assert account.submitted == 1


def test_an_intent_that_is_committed_after_its_connection_was_given_up_is_taken_back(
    add_jobs: Callable[..., QueuedBatch], queue: str, worker: ManualWorker
) -> None:
    """Its commit was on the way: nothing was sent, so the job isn't uncertain."""
    add_jobs(1)
    (work,) = worker.take([StepKind.SUBMIT])
    worker.spool.store(NotAccepted(work.id, work.key, 7, "no response", 0.0))
    done: list[Any] = []
    with psycopg.connect(queue) as late:
        late.execute("UPDATE wanflow.job SET state = 'intent', token = 7 WHERE id = %s", [work.id])
        thread = Thread(target=lambda: done.append(worker.spool.replay(worker.writes, NOW)))
        thread.start()
        with Database(queue) as other, other.connection() as connection:
            wait_until(lambda: bool(done or connection.execute(WAITS).fetchall()))
    thread.join()
    assert done == [1]
    assert worker.states() == {"planned": 1}
    assert worker.sweep() == 0
