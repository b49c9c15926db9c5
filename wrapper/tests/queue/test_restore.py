"""A database that was restored from a backup: what it shows as planned may have been paid for."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tests.any_model import model_name
from tests.postgres import find_programs
from tests.queue.manual_worker import enqueue
from tests.queue.test_worker import running, wait_until
from wanflow import AsyncClient
from wanflow.cli import main
from wanflow.errors import ConfigurationError
from wanflow.queue import StopSignal, Worker, schema
from wanflow.queue.engine import StepKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.postgres import PostgresServer
    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch

MARKS = "SELECT marks FROM wanflow.queue_version"
STATES = "SELECT state, count(*) FROM wanflow.job GROUP BY 1"


def run_program(name: str, *words: str) -> None:
    """Run a program of PostgreSQL."""
    programs = find_programs()
    assert programs is not None
    subprocess.run([str(programs / name), *words], check=True, capture_output=True)


def test_a_dump_that_is_older_than_what_was_paid_for_sends_nothing_again(
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    new_worker: Callable[..., ManualWorker],
    account: Account,
    queue: str,
    server: MockServer,
    api_key: str,
    tmp_path: Path,
) -> None:
    """Whatever was planned is uncertain, once its user has seen that the queue was restored."""
    add_jobs(4, max_credits=1000)
    worker.turn([StepKind.SUBMIT], limit=1)
    dump = tmp_path / "dump.sql"
    run_program("pg_dump", f"--file={dump}", queue)
    worker.drain()
    assert worker.states() == {"saved": 4}
    worker.execute("DROP SCHEMA wanflow CASCADE")
    run_program("psql", "--quiet", f"--file={dump}", queue)
    assert worker.states() == {"accepted": 1, "planned": 3}
    assert schema.initialize(queue).changes == 0
    with pytest.raises(ConfigurationError, match="wanflow queue restored"):
        Worker(AsyncClient(api_key, server.base_url), queue, spool=tmp_path / "spool")
    with pytest.raises(ConfigurationError, match="wanflow queue restored"):
        add_jobs(4, max_credits=1000)
    ended = CliRunner(env={"WANFLOW_QUEUE": queue}).invoke(main, ["queue", "restored"])
    assert (ended.exit_code, ended.stderr) == (0, "3 uncertain\n")
    other = new_worker()
    other.sweep()
    other.drain()
    assert other.states() == {"saved": 1, "uncertain": 3}
    assert account.submitted == 4
    schema.require_workable(other.database)


class TestASnapshot:
    """Its tables are those that the queue was made with: only what workers remember shows it."""

    @pytest.fixture(autouse=True)
    def often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Sweep often."""
        monkeypatch.setattr("wanflow.queue.sweeper.SWEEP_INTERVAL", 0.1)

    @pytest.fixture
    def batch(
        self, own_queue: tuple[PostgresServer, str], server: MockServer, api_key: str, out: Path
    ) -> QueuedBatch:
        """Jobs that are planned."""
        model = model_name("image")
        jobs = [{"model": model, "prompt": f"a cat {number}"} for number in range(3)]
        return enqueue(own_queue[1], server, api_key, jobs, out)

    @pytest.fixture
    def out(self, tmp_path: Path) -> Path:
        """The folder of the files."""
        return tmp_path / "out"

    @pytest.fixture
    def new(
        self,
        own_queue: tuple[PostgresServer, str],
        server: MockServer,
        api_key: str,
        tmp_path: Path,
    ) -> Callable[[str], Worker]:
        """Make a worker that has a spool."""

        def make(spool: str) -> Worker:
            client = AsyncClient(api_key, server.base_url)
            return Worker(client, own_queue[1], spool=tmp_path / spool)

        return make

    @pytest.fixture
    def restore(self, own_queue: tuple[PostgresServer, str], tmp_path: Path) -> Callable[[], None]:
        """Copy the server's files while it is stopped; what is returned puts them back."""
        postgres, saved = own_queue[0], tmp_path / "saved"

        def copy(source: Path, target: Path) -> None:
            postgres.stop()
            shutil.rmtree(target, ignore_errors=True)
            subprocess.run(["cp", "-a", source, target], check=True)
            postgres.start()

        copy(postgres.data, saved)
        return lambda: copy(saved, postgres.data)

    @pytest.mark.parametrize("alive", [False, True], ids=["at its start", "while it runs"])
    def test_stops_a_worker_that_remembers_more_and_then_all_others(
        self,
        batch: QueuedBatch,
        restore: Callable[[], None],
        new: Callable[[str], Worker],
        account: Account,
        own_queue: tuple[PostgresServer, str],
        alive: bool,
    ) -> None:
        postgres, url = own_queue
        stop = StopSignal()
        with ThreadPoolExecutor() as pool:
            run = pool.submit(new("spool").run, stop)
            assert batch.wait().complete
            if not alive:
                stop.set()
                run.result()
            restore()
            if not alive:
                run = pool.submit(new("spool").run, StopSignal())
            with pytest.raises(ConfigurationError, match="wanflow queue restored"):
                run.result(60)
        with pytest.raises(ConfigurationError, match="wanflow queue restored"):
            new("another spool")
        assert account.submitted == 3
        ended = CliRunner(env={"WANFLOW_QUEUE": url}).invoke(main, ["queue", "restored"])
        assert ended.stderr == "3 uncertain\n"
        name = url.partition("?")[0].rpartition("/")[2]
        with running(new("spool")), running(new("another spool")):
            wait_until(lambda: postgres.execute(MARKS, name)[0][0] > 3)
        assert postgres.execute(STATES, name) == [("uncertain", 3)]
        assert account.submitted == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE wanflow.queue_version SET version = 99", "the queue has version 99"),
        ("UPDATE wanflow.queue_version SET version = 2", "needs version .*: run wanflow queue"),
        ("INSERT INTO wanflow.wanflow_schema VALUES (99)", "ledger of the queue has version 99"),
    ],
)
def test_tables_of_another_version_end_a_worker_in_one_sentence(
    queue: str,
    worker: ManualWorker,
    server: MockServer,
    api_key: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
    words: str,
) -> None:
    """One that runs, as in an upgrade, and one that is started."""
    monkeypatch.setattr("wanflow.queue.sweeper.SWEEP_INTERVAL", 0.05)

    def new() -> Worker:
        return Worker(AsyncClient(api_key, server.base_url), queue, spool=tmp_path / "spool")

    running = new()
    worker.execute(change)
    with pytest.raises(ConfigurationError, match=words):
        running.run(StopSignal())
    with pytest.raises(ConfigurationError, match=words):
        new()
