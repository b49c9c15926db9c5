"""A pooler that shares sessions is named as such; one that pools by session is none to a queue."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.any_model import model_name
from tests.pgbouncer import pooled_url, running_pgbouncer
from tests.queue.manual_worker import ManualWorker, enqueue
from wanflow import AsyncClient
from wanflow.errors import LedgerError
from wanflow.ledger import Ledger
from wanflow.queue import QueueCallbacks, Worker, schema

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from tests.postgres import PostgresServer
    from wanflow.mock import MockServer


@pytest.mark.parametrize("mode", ["transaction", "statement"])
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_pooler_that_shares_sessions_is_refused_in_one_sentence(
    postgres_server: PostgresServer,
    queue: str,
    server: MockServer,
    api_key: str,
    tmp_path: Path,
    mode: str,
    busy: bool,
) -> None:
    jobs = [{"model": model_name("image"), "prompt": "a cat"}]
    with running_pgbouncer(postgres_server, mode) as folder:
        url = pooled_url(queue, folder)
        ways: list[Callable[[], Any]] = [
            lambda: schema.initialize(url),
            lambda: Worker(AsyncClient(api_key, server.base_url), url),
            lambda: enqueue(url, server, api_key, jobs, tmp_path / "out"),
            lambda: QueueCallbacks(url),
            lambda: Ledger(url),
        ]
        with others(url, 3 if busy else 0):
            for way in ways:
                with pytest.raises(LedgerError, match=r"set pool_mode = session$") as caught:
                    way()
                assert "secret" not in str(caught.value)


def test_a_pooler_by_session_is_as_good_as_none(
    postgres_server: PostgresServer,
    postgres_url: str,
    server: MockServer,
    api_key: str,
    tmp_path: Path,
) -> None:
    jobs = [{"model": model_name("image"), "prompt": f"a cat {number}"} for number in range(3)]
    with running_pgbouncer(postgres_server, "session") as folder:
        url = pooled_url(postgres_url, folder)
        assert schema.initialize(url).changes == len(schema.MIGRATIONS)
        enqueue(url, server, api_key, jobs, tmp_path / "out")
        worker = ManualWorker(url, server, api_key, tmp_path)
        worker.drain()
        assert worker.states() == {"saved": 3}
        worker.close()


@contextmanager
def others(url: str, number: int) -> Generator[None]:
    """Keep some connections busy."""
    stop = Event()

    def work() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while not stop.is_set():
                connection.execute("SELECT pg_sleep(0.002)", prepare=False)

    threads = [Thread(target=work) for _ in range(number)]
    for one in threads:
        one.start()
    try:
        yield
    finally:
        stop.set()
        for one in threads:
            one.join()
