"""A whole worker: it runs a batch, stops when it is asked to, and goes on after a lost database."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import psycopg
import pytest

from tests.any_model import model_name
from tests.queue.manual_worker import enqueue
from wanflow import AsyncClient
from wanflow.errors import ConfigurationError
from wanflow.queue import StopSignal, Worker
from wanflow.queue.engine import StepKind

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.postgres import PostgresServer
    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch

WAITING = """
    SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
ACCEPTED = """
    SELECT count(*) FROM wanflow.job JOIN wanflow.batch ON batch.id = job.batch
    WHERE batch.name = 'run2' AND job.state <> 'planned' AND job.task IS NOT NULL
"""


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait as long as it takes."""
    never = Event()
    while not condition():
        never.wait(0.01)


@contextmanager
def running(worker: Worker) -> Generator[StopSignal]:
    """Run a worker in a thread, and stop it."""
    stop = StopSignal()
    thread = Thread(target=worker.run, args=[stop])
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def new(queue: str, server: MockServer, api_key: str, tmp_path: Path) -> Callable[..., Worker]:
    """Make a worker."""

    def make(url: str = queue, **more: Any) -> Worker:
        client = AsyncClient(api_key, server.base_url)
        return Worker(client, url, spool=tmp_path / "spool", **more)

    return make


def test_workers_run_a_batch_to_its_report(
    add_jobs: Callable[..., QueuedBatch],
    new: Callable[..., Worker],
    worker: ManualWorker,
    account: Account,
) -> None:
    batch = add_jobs(12)
    with running(new()), running(new()):
        report = batch.wait()
    assert report.complete
    assert account.submitted == 12
    assert worker.rows() == 0
    assert worker.execute("SELECT 1 FROM wanflow.job WHERE holder IS NOT NULL") == []


def test_a_stopped_worker_finishes_what_is_in_flight_and_holds_nothing(
    add_jobs: Callable[..., QueuedBatch], new: Callable[..., Worker], worker: ManualWorker
) -> None:
    add_jobs(30)
    run = new(submissions=2)
    with running(run):
        wait_until(lambda: bool(run.metrics.value("submissions_accepted")))
    assert worker.execute("SELECT 1 FROM wanflow.queue WHERE status = 'picked'") == []
    assert "intent" not in worker.states()
    assert worker.sweep() == 0


def test_a_stopped_worker_does_not_wait_for_its_turn(
    add_jobs: Callable[..., QueuedBatch], new: Callable[..., Worker], worker: ManualWorker
) -> None:
    """A server may ask for a pause that is longer than a supervisor waits."""
    add_jobs(3)
    run, stop = new(), StopSignal()
    thread = Thread(target=run.run, args=[stop])
    thread.start()
    wait_until(lambda: bool(worker.states().get("saved")))
    worker.execute(
        "UPDATE wanflow.rate SET tokens = 0, paused_until = extract(epoch from now()) + 3600"
    )
    add_jobs(20, "a dog", name="run2")
    wait_until(lambda: bool(worker.execute("SELECT 1 FROM wanflow.queue WHERE status = 'picked'")))
    stop.set()
    thread.join(60)
    ended = not thread.is_alive()
    worker.execute("UPDATE wanflow.rate SET paused_until = 0, tokens = 100")
    thread.join()
    assert ended
    assert worker.execute("SELECT 1 FROM wanflow.queue WHERE status = 'picked'") == []
    assert "intent" not in worker.states()
    assert worker.sweep() == 0


@pytest.mark.parametrize("how", ["cancel", "timeout", "task group"])
def test_a_cancelled_worker_records_what_is_in_flight(
    add_jobs: Callable[..., QueuedBatch],
    new: Callable[..., Worker],
    worker: ManualWorker,
    account: Account,
    fault: Callable[..., AbstractContextManager[None]],
    how: str,
) -> None:
    """The responses name tasks that are paid for."""
    add_jobs(3)

    async def fail() -> None:
        await asyncio.to_thread(wait_until, lambda: worker.states() == {"intent": 3})
        raise ZeroDivisionError

    async def run() -> None:
        task = asyncio.create_task(new().run_async())
        if how == "task group":
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                await task
        with suppress(ZeroDivisionError):
            await fail()
        if how == "timeout":
            async with asyncio.timeout(0.01):
                await task
        task.cancel()
        await task

    expected = {"cancel": asyncio.CancelledError, "timeout": TimeoutError}
    slow = fault("latency=2", operation="createImageGeneration")
    with slow, pytest.raises(expected.get(how, ExceptionGroup)):
        asyncio.run(run())
    assert account.submitted == 3
    assert "intent" not in worker.states()
    assert worker.states().get("accepted", 0) + worker.states().get("completed", 0) == 3


def test_a_lease_is_renewed_while_other_statements_last(
    add_jobs: Callable[..., QueuedBatch],
    new: Callable[..., Worker],
    worker: ManualWorker,
    fault: Callable[..., AbstractContextManager[None]],
) -> None:
    """Else a slow database would make others take this worker for dead."""
    batch = add_jobs(1)
    run = new(lease=2.0)
    with fault("latency=8", operation="createImageGeneration"), running(run):
        wait_until(lambda: worker.states() == {"intent": 1})
        with run._reader.connection():
            Event().wait(5)
        assert worker.execute("SELECT max(attempts) FROM wanflow.queue") == [(0,)]
        assert batch.wait().complete


def test_a_worker_has_only_so_many_submissions_in_flight(
    add_jobs: Callable[..., QueuedBatch],
    queue: str,
    server: MockServer,
    api_key: str,
    worker: ManualWorker,
    fault: Callable[..., AbstractContextManager[None]],
    tmp_path: Path,
) -> None:
    """So many can become uncertain by its death, and no more."""
    add_jobs(9)
    client = AsyncClient(api_key, server.base_url, timeout=1.0)
    seen: list[int] = []

    def all_are_uncertain() -> bool:
        states = worker.states()
        seen.append(states.get("intent", 0))
        return states.get("uncertain") == 9

    with (
        fault("stall", operation="createImageGeneration"),
        running(Worker(client, queue, spool=tmp_path / "spool", submissions=3)),
    ):
        wait_until(all_are_uncertain)
    assert max(seen) == 3


def test_a_worker_takes_polls_before_submissions(
    add_jobs: Callable[..., QueuedBatch], new: Callable[..., Worker], worker: ManualWorker
) -> None:
    """Calls have their turn in this order: what is paid for comes before what isn't yet."""
    add_jobs(2)
    worker.turn([StepKind.SUBMIT])
    add_jobs(2, "a dog", name="run2")
    worker.make_due()
    run = new()
    taken = [work.row.kind for work in run._take(run._prepare())]
    assert taken == [StepKind.POLL] * 2 + [StepKind.SUBMIT] * 2
    for database in run._databases:
        database.close()


def test_submissions_do_not_wait_for_the_writes_of_polls(
    add_jobs: Callable[..., QueuedBatch], new: Callable[..., Worker], worker: ManualWorker
) -> None:
    """A transaction with the polls of many jobs takes long; here it waits for a lock."""
    add_jobs(1)
    with running(new()), worker.database.connection() as connection:
        wait_until(lambda: bool(worker.states().get("accepted")))
        with connection.transaction():
            connection.execute("SELECT 1 FROM wanflow.job FOR UPDATE")
            with psycopg.connect(worker.database.url, autocommit=True) as other:
                other.execute("UPDATE wanflow.queue SET execute_after = now()")
                wait_until(lambda: other.execute(WAITING).fetchone() is not None)
                add_jobs(3, "a dog", name="run2")
                wait_until(lambda: other.execute(ACCEPTED).fetchone() == (3,))
                assert other.execute(WAITING).fetchone() is not None


def test_a_worker_fills_an_emptied_queue_by_itself(
    add_jobs: Callable[..., QueuedBatch], new: Callable[..., Worker], worker: ManualWorker
) -> None:
    batch = add_jobs(3)
    worker.execute("TRUNCATE wanflow.queue")
    with running(new()):
        assert batch.wait().complete


def test_a_worker_goes_on_when_a_lost_database_is_back(
    own_queue: tuple[PostgresServer, str],
    server: MockServer,
    api_key: str,
    account: Account,
    new: Callable[..., Worker],
    tmp_path: Path,
) -> None:
    postgres, url = own_queue
    jobs = [{"model": model_name("image"), "prompt": f"a cat {number}"} for number in range(10)]
    batch = enqueue(url, server, api_key, jobs, tmp_path / "out")
    run = new(url, lease=1.0)
    with running(run):
        wait_until(lambda: bool(run.metrics.value("submissions_accepted")))
        postgres.stop("immediate")
        wait_until(lambda: not run.metrics.value("database_up"))
        postgres.start()
        report = batch.wait()
    assert {str(one.status) for one in report.results} <= {"saved", "uncertain"}
    assert account.submitted <= 10
    assert sum(str(one.status) == "uncertain" for one in report.results) <= 8


def test_a_worker_serves_its_metrics_and_its_health(new: Callable[..., Worker]) -> None:
    run = new(metrics_port=0)
    with running(run):
        wait_until(lambda: bool(run.metrics_address and run.metrics.value("database_up")))
        assert run.metrics_address is not None
        host, port = run.metrics_address
        assert host == "127.0.0.1"
        with urlopen(f"http://{host}:{port}/healthz") as response:
            assert response.read() == b"ok\n"
        with urlopen(f"http://{host}:{port}/metrics") as response:
            text = response.read().decode()
    assert "wanflow_worker_database_up 1\n" in text
    assert "# TYPE wanflow_worker_polls_total counter\n" in text


def test_a_worker_is_not_healthy_while_its_database_is_silent(
    own_queue: tuple[PostgresServer, str], new: Callable[..., Worker]
) -> None:
    """No connection breaks then, so no error comes."""
    postgres, url = own_queue
    run = new(url, lease=0.5)
    with running(run):
        wait_until(lambda: bool(run.metrics.value("database_up")))
        with postgres.silent():
            wait_until(lambda: not run.metrics.value("database_up"))
        wait_until(lambda: bool(run.metrics.value("database_up")))


def test_a_database_without_a_queue_is_an_error_at_the_start(
    postgres_url: str, server: MockServer, api_key: str
) -> None:
    with pytest.raises(ConfigurationError, match="wanflow queue init"):
        Worker(AsyncClient(api_key, server.base_url), postgres_url)


class TestTheCommand:
    def test_ends_with_exit_code_0_on_sigterm_and_enqueuing_waits_for_it(
        self, queue: str, server: MockServer, api_key: str, account: Account, tmp_path: Path
    ) -> None:
        jobs = tmp_path / "jobs.jsonl"
        model = model_name("image")
        jobs.write_text(
            "".join(json.dumps({"model": model, "prompt": f"{n}"}) + "\n" for n in range(5))
        )
        environment = {
            **{name: text for name, text in os.environ.items() if "WANFLOW" not in name},
            "WANFLOW_API_KEY": api_key,
            "WANFLOW_BASE_URL": server.base_url,
            "WANFLOW_QUEUE": queue,
        }

        def start(*words: str) -> subprocess.Popen[str]:
            return subprocess.Popen(
                [sys.executable, "-m", "wanflow", *words],
                env=environment,
                cwd=tmp_path,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )

        worker = start("worker", "--spool", "spool")
        words = ("batch", "jobs.jsonl", "--queue", queue, "--out", "out", "--name", "run1")
        enqueued = start(*words, "--no-wait")
        _, err = enqueued.communicate()
        assert enqueued.returncode == 0, err
        assert "5 jobs in the queue, 5 of them new" in err
        waiting = start(*words, "--json")
        out, err = waiting.communicate()
        assert waiting.returncode == 0, err
        events = [json.loads(line) for line in out.splitlines()]
        assert [one["event"] for one in events] == ["enqueued", *["job"] * 5, "report"]
        assert events[0]["added"] == 0
        worker.send_signal(signal.SIGTERM)
        _, err = worker.communicate()
        assert worker.returncode == 0, err
        assert account.submitted == 5
