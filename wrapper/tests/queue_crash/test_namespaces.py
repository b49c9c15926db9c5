"""Workers on three machines, one of which is cut off for longer than its lease."""

from __future__ import annotations

import socket
import time
from collections import Counter
from contextlib import ExitStack, closing
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from tests.any_model import model_name
from tests.postgres import SUPERUSER
from tests.queue.conftest import initialize
from tests.queue_crash.namespaces import SERVERS, network
from tests.queue_crash.processes import WorkerOptions, running
from tests.sockets import Relay
from wanflow import Client
from wanflow.mock import MockServer
from wanflow.queue.database import Database, DatabaseLost

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres import PostgresServer

JOBS, MACHINES, SUBMISSIONS = 90, 3, 3
LEASE = 5.0
SUBMIT = "createImageGeneration"
pytestmark = [
    pytest.mark.slow,  # leases end
    pytest.mark.filterwarnings("ignore::wanflow.errors.InsecureURLWarning"),
]


class PostgresRelay(Relay):
    """Passes connections on to PostgreSQL's Unix socket: so it has an address on a network."""

    def __init__(self, server: PostgresServer) -> None:
        path = str(server.folder / ".s.PGSQL.5432")

        def connect() -> socket.socket:
            made = socket.socket(socket.AF_UNIX)
            made.connect(path)
            return made

        super().__init__(connect, "0.0.0.0")

    def url(self, local: str) -> str:
        """Return the URL of a database on the network, from the one on this machine."""
        name = local.partition("?")[0].rpartition("/")[2]
        return f"postgresql://{SUPERUSER}@{SERVERS}:{self.port}/{name}"


def test_a_machine_that_is_cut_off_for_longer_than_its_lease_costs_nothing(
    own_postgres_server: PostgresServer, api_key: str, tmp_path: Path
) -> None:
    """Others go on with its steps; when it is back, what it says late changes nothing."""
    url = own_postgres_server.create_database()
    initialize(url)
    with ExitStack() as stack:
        net = stack.enter_context(network(MACHINES))
        with net.sockets_at(net.servers):
            relay = stack.enter_context(closing(PostgresRelay(own_postgres_server)))
            mock = MockServer(host="0.0.0.0", polls=1, idempotency=False, journal_entries=10_000)
            stack.enter_context(mock)
        # So long that jobs are left after each cut.
        mock.faults.add("latency=3", operation=SUBMIT)
        base_url = mock.base_url.replace("127.0.0.1", SERVERS)
        model = model_name("image")
        jobs = [{"model": model, "prompt": f"a cat {number}"} for number in range(JOBS)]
        with Client(api_key, base_url) as client:
            batch = client.enqueue(
                jobs, queue=url, out=tmp_path / "out", name="run1", max_credits=10_000
            )
        options = [
            WorkerOptions(
                relay.url(url),
                base_url,
                api_key,
                tmp_path / f"spool{number}",
                lease=LEASE,
                submissions=SUBMISSIONS,
                prefix=net.command(number),
            )
            for number in range(MACHINES)
        ]
        with running(*options):
            cuts = 0
            for machine in range(MACHINES):
                _wait_for_progress(url, JOBS // 9)
                net.set_link(machine, "down")
                Event().wait(2 * LEASE)
                net.set_link(machine, "up")
                cuts += 1
            report = batch.wait()
        charged = Counter(
            one.body for one in mock.journal if one.operation == SUBMIT and one.status == 200
        )
        print(f"{report.summary}, {cuts} cuts")  # noqa: T201 - with -s
        assert max(charged.values()) == 1
        assert set(report.counts) <= {"saved", "uncertain"}, report.summary
        assert report.counts["uncertain"] <= SUBMISSIONS * cuts
        assert report.counts["saved"] >= len(charged) - report.counts["uncertain"]
        assert _read(url, "SELECT 1 FROM wanflow.queue WHERE status = 'picked'") == []
        for result in report.results:
            for file in result.files:
                assert file.path.stat().st_size == file.size


def test_a_database_whose_machine_is_gone_is_lost_within_a_minute(
    own_postgres_server: PostgresServer,
) -> None:
    """No packet says so. A system by itself tries for a quarter of an hour."""
    with network(1) as net, ExitStack() as stack:
        with net.sockets_at(net.servers):
            relay = stack.enter_context(closing(PostgresRelay(own_postgres_server)))
        database = stack.enter_context(Database(relay.url(own_postgres_server.url())))
        with net.sockets_at(net.machines[0]), database.connection() as connection:
            connection.execute("SELECT 1")
        net.set_link(0, "down")
        start = time.monotonic()
        with pytest.raises(DatabaseLost), database.connection() as connection:
            connection.execute("SELECT 1")
        assert time.monotonic() - start < 60


def _wait_for_progress(url: str, steps: int) -> None:
    query = "SELECT sum(step) FROM wanflow.job"
    before = _read(url, query)[0][0]
    while _read(url, query)[0][0] < before + steps:
        assert _read(url, "SELECT 1 FROM wanflow.job WHERE state IN ('planned', 'accepted')")
        Event().wait(0.1)


def _read(url: str, query: str) -> list[tuple[Any, ...]]:
    with Database(url) as database, database.connection() as connection:
        return connection.execute(query.encode()).fetchall()
