"""A database that was restored from a backup: what it shows as planned may have been paid for."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from click.testing import CliRunner

from tests.any_model import model_name
from tests.postgres import find_programs, running_server
from tests.queue.manual_worker import enqueue
from tests.queue.test_worker import running, wait_until
from wanflow import AsyncClient
from wanflow.cli import main
from wanflow.errors import ConfigurationError
from wanflow.queue import StopSignal, Worker, schema
from wanflow.queue.database import Database, DatabaseLost, DatabaseRefused
from wanflow.queue.engine import Engine, StepKind
from wanflow.queue.restore import Memory, acknowledge_restore
from wanflow.queue.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.postgres import PostgresServer
    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch

MARKS = "SELECT coalesce(max(number), 0) FROM wanflow.mark"
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


class Relay(httpx2.AsyncHTTPTransport):
    """Passes on what is sent, and no response of a submission before it is allowed to."""

    def __init__(self) -> None:
        super().__init__()
        self.respond = Event()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request."""
        response = await super().handle_async_request(request)
        if request.method == "POST":
            await asyncio.to_thread(self.respond.wait)
        return response


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
    ) -> Callable[..., Worker]:
        """Make a worker that has a spool."""

        def make(spool: str, transport: Any = None) -> Worker:
            client = AsyncClient(api_key, server.base_url, transport=transport)
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
        new: Callable[..., Worker],
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

    def test_leaves_what_comes_of_a_submission_to_the_time_when_workers_go_on(
        self,
        batch: QueuedBatch,
        restore: Callable[[], None],
        new: Callable[..., Worker],
        account: Account,
        own_queue: tuple[PostgresServer, str],
    ) -> None:
        """Its response comes after the restore: its task is in the spool, and is saved later."""
        postgres, url = own_queue
        name = url.partition("?")[0].rpartition("/")[2]
        relay = Relay()
        with ThreadPoolExecutor() as pool:
            run = pool.submit(new("spool", relay).run, StopSignal())
            wait_until(lambda: account.submitted == 3)
            restore()
            relay.respond.set()
            with pytest.raises(ConfigurationError, match="wanflow queue restored"):
                run.result(60)
        ended = CliRunner(env={"WANFLOW_QUEUE": url}).invoke(main, ["queue", "restored"])
        assert ended.stderr == "3 uncertain\n"
        with running(new("spool")):
            assert batch.wait().complete
        assert postgres.execute(STATES, name) == [("saved", 3)]
        assert account.submitted == 3


class TestAWorkerThatRuns:
    """No connection of it is made between its last mark and what is lost, and no sweep."""

    @pytest.fixture(autouse=True)
    def rarely(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Sweep once."""
        monkeypatch.setattr("wanflow.queue.sweeper.SWEEP_INTERVAL", 3600)

    @pytest.mark.parametrize("workers", [1, 2], ids=["alone", "before another one sees it"])
    def test_sends_nothing_again_after_a_failover_that_lost_the_last_seconds(
        self,
        own_queue: tuple[PostgresServer, str],
        server: MockServer,
        api_key: str,
        account: Account,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        workers: int,
    ) -> None:
        """A base backup that is put in the server's place stands for a standby that lags.

        The second worker has lost nothing, and the first one is late.
        """
        postgres, url = own_queue
        name, late = url.partition("?")[0].rpartition("/")[2], postgres.folder / "late"
        idle, take = set[Worker](), Worker._take
        monkeypatch.setattr(
            Worker, "_take", lambda self, steps: [] if self in idle else take(self, steps)
        )

        def add(count: int, prompt: str) -> QueuedBatch:
            job = {"model": model_name("image"), "prompt": prompt}
            jobs = [{**job, "key": str(number)} for number in range(count)]
            return enqueue(url, server, api_key, jobs, tmp_path / "out", name=prompt)

        def make_due(when: str) -> None:
            query = f"UPDATE wanflow.queue SET execute_after = now() + interval '{when}'"
            postgres.execute(query, name)

        def new(spool: str) -> Worker:
            client = AsyncClient(api_key, server.base_url)
            return Worker(client, url, spool=tmp_path / spool, lease=10.0)

        batch = add(3, "a cat")
        make_due("1 hour")
        stop, started = StopSignal(), list[Worker]()
        with ThreadPoolExecutor() as pool, ExitStack() as ends:
            ends.callback(stop.set)
            for number in range(workers):
                idle.update(started)
                started.append(new(f"spool {number}"))
                runs = [pool.submit(started[-1].run, stop)]
                # It has its connections.
                add(1, f"dog {number}").wait()
            first, last = started[0], started[-1]
            idle.clear()
            idle.update({last} - {first})
            postgres.back_up(late)
            make_due("0 s")
            assert batch.wait().complete
            idle.symmetric_difference_update({first, last} if workers > 1 else ())
            postgres.stop("immediate")
            shutil.rmtree(postgres.data)
            late.rename(postgres.data)
            postgres.start()
            make_due("0 s")
            if workers > 1:
                sent = 3 + workers
                wait_until(lambda: account.submitted > sent or not last._memory.settled)
                Event().wait(2)
                assert account.submitted == sent
            idle.clear()
            with pytest.raises(ConfigurationError, match="wanflow queue restored"):
                runs[0].result(60)
        assert account.submitted == 3 + workers
        with pytest.raises(ConfigurationError, match="wanflow queue restored"):
            new("other")

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE wanflow.mark SET number = 0",
            "DELETE FROM wanflow.mark",
            "UPDATE wanflow.queue_version SET origin = ''",
        ],
        ids=["older data", "no mark", "refused by another worker"],
    )
    def test_writes_no_intent_if_its_tables_are_restored_under_its_connection(
        self, queue: str, worker: ManualWorker, tmp_path: Path, change: str
    ) -> None:
        memory, written = Memory(tmp_path), "SELECT count(*) FROM wanflow.place"
        with Database(queue, check=memory.check) as database:
            writes = Writes(database, Engine(), memory)

            def write() -> None:
                writes.begin_intent()
                add = "INSERT INTO wanflow.place (text) VALUES (gen_random_uuid()::text)"
                writes.transaction.connection.execute(add)

            for _ in range(3):
                assert writes.run([write])[0].error is None
            before = worker.execute(written)
            worker.execute(change)
            assert [type(end.error) for end in writes.run([write, write])] == [DatabaseLost] * 2
            assert worker.execute(written) == before

    def test_sends_nothing_immediately_with_a_server_that_was_started_again(
        self, own_queue: tuple[PostgresServer, str], tmp_path: Path
    ) -> None:
        """Another worker may remember what this one doesn't, and reach the server later."""
        postgres, url = own_queue
        memory, began = Memory(tmp_path, 0.5), 0.0
        with Database(url, check=memory.check) as database:
            for lost in (False, True):
                with database.connection():
                    memory.require_settled()
                if not lost:
                    database.close()
            postgres.stop()
            postgres.start()
            database.close()
            began = time.monotonic()
            with database.connection(), pytest.raises(DatabaseLost, match="started again"):
                memory.require_settled()
        wait_until(lambda: memory.settled)
        assert time.monotonic() - began >= 0.5


class TestAMemory:
    """The database's marks are put back, as a snapshot is."""

    @pytest.fixture
    def remember(self, queue: str, tmp_path: Path) -> Iterator[Callable[..., Memory]]:
        """Let a process check its database a number of times."""
        with Database(queue) as database:

            def check(spool: str, times: int = 1, memory: Memory | None = None) -> Memory:
                (tmp_path / spool).mkdir(exist_ok=True)
                memory = memory or Memory(tmp_path / spool)
                with database.connection() as connection:
                    for _ in range(times):
                        memory.check(connection)
                return memory

            yield check

    @pytest.fixture
    def snapshot(self, worker: ManualWorker) -> Callable[[], Callable[[], None]]:
        """Save the marks; what is returned puts them back."""

        def save() -> Callable[[], None]:
            marks = worker.execute("SELECT worker, number FROM wanflow.mark")

            def put_back() -> None:
                worker.execute("DELETE FROM wanflow.mark")
                for one in marks:
                    worker.execute("INSERT INTO wanflow.mark VALUES (%s, %s)", *one)

            return put_back

        return save

    def test_is_not_deceived_by_the_marks_of_others(
        self, remember: Callable[..., Memory], snapshot: Callable[[], Callable[[], None]]
    ) -> None:
        """One whose spool folder is new goes on for longer than since the backup."""
        first = remember("spool", 2)
        put_back = snapshot()
        remember("spool", 3, first)
        put_back()
        remember("another spool", 20)
        with pytest.raises(ConfigurationError, match="wanflow queue restored"):
            remember("spool")

    def test_refuses_it_again_if_it_was_killed_before_it_could_be_recorded(
        self,
        remember: Callable[..., Memory],
        snapshot: Callable[[], Callable[[], None]],
        worker: ManualWorker,
    ) -> None:
        ((origin,),) = worker.execute("SELECT origin FROM wanflow.queue_version")
        put_back = snapshot()
        remember("spool", 2)
        put_back()
        for _ in range(4):
            worker.execute("UPDATE wanflow.queue_version SET origin = %s", origin)
            with pytest.raises(ConfigurationError, match="wanflow queue restored"):
                remember("spool")

    def test_lasts_as_long_as_its_process_where_its_folder_is_lost(
        self,
        remember: Callable[..., Memory],
        snapshot: Callable[[], Callable[[], None]],
        worker: ManualWorker,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """A file in the folder's place stands for a full disk, or one that can't be written."""
        alive = remember("spool")
        put_back = snapshot()
        shutil.rmtree(tmp_path / "spool")
        (tmp_path / "spool").touch()
        with Database(worker.database.url) as database, database.connection() as connection:
            alive.check(connection)
            alive.check(connection)
            assert caplog.text.count(str(tmp_path / "spool")) == 1
            put_back()
            with pytest.raises(ConfigurationError, match="wanflow queue restored"):
                alive.check(connection)

    @pytest.mark.parametrize("content", ["", "7", "a b", "\0", f"{'1' * 90} 1"])
    def test_that_is_damaged_is_named_once_and_made_anew(
        self,
        remember: Callable[..., Memory],
        snapshot: Callable[[], Callable[[], None]],
        tmp_path: Path,
        content: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        put_back = snapshot()
        remember("spool")
        (path,) = (tmp_path / "spool").iterdir()
        path.write_text(content)
        remember("spool", 2)
        assert caplog.text.count(str(path)) == 1
        put_back()
        with pytest.raises(ConfigurationError, match="wanflow queue restored"):
            remember("spool")

    def test_accepts_all_that_is_right(
        self, remember: Callable[..., Memory], worker: ManualWorker, tmp_path: Path
    ) -> None:
        """A shared folder, a copied one, an old one, and one killed before it remembers."""
        one, other = remember("spool", 3), remember("spool", 5)
        shutil.copytree(tmp_path / "spool", tmp_path / "copy")
        remember("spool", 2, one)
        remember("spool", 1, other)
        remember("copy", 2)
        remember("spool")
        worker.execute("UPDATE wanflow.mark SET number = number + 1")
        remember("spool", 1, one)
        remember("copy")
        acknowledge_restore(worker.database)
        remember("spool", 2, other)
        remember("copy")


def test_every_connection_of_a_worker_by_which_steps_go_on_is_checked(
    worker: ManualWorker, queue: str, server: MockServer, api_key: str, tmp_path: Path
) -> None:
    """Each reconnects by itself: a worker that was stalled would send what it took before."""
    one = Worker(AsyncClient(api_key, server.base_url), queue, spool=tmp_path / "spool")
    for database in {*one._databases} - {one._upkeep}:
        with database.connection():
            pass
        database.close()
        worker.execute("DELETE FROM wanflow.mark")
        with pytest.raises(DatabaseRefused, match="wanflow queue restored"):
            database.connection().__enter__()
        acknowledge_restore(worker.database)


class TestADump:
    @pytest.mark.slow  # two servers are made
    def test_that_is_restored_by_the_same_steps_as_before_shows_itself(
        self, queue: str, tmp_path: Path
    ) -> None:
        """Its tables have the same numbers: only the server's files are others."""
        dump, source, numbers = tmp_path / "dump.sql", queue, list[list[str]]()
        with ExitStack() as servers:
            for _ in range(2):
                run_program("pg_dump", f"--file={dump}", source)
                source = servers.enter_context(running_server()).create_database()
                run_program("psql", "--quiet", f"--file={dump}", source)
                database = servers.enter_context(Database(source))
                with pytest.raises(ConfigurationError, match="wanflow queue restored"):
                    schema.require_workable(database)
                acknowledge_restore(database)
                schema.require_workable(database)
                with database.connection() as connection:
                    found = connection.execute("SELECT origin FROM wanflow.queue_version")
                    numbers.append(str(found.fetchall()[0][0]).split())
        (*first, one), (*second, other) = numbers
        assert first == second
        assert one != other

    def test_is_not_seen_in_what_is_refreshed(self, worker: ManualWorker) -> None:
        """Programs refresh all materialized views."""
        worker.execute("REFRESH MATERIALIZED VIEW wanflow.cluster")
        schema.require_workable(worker.database)


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
