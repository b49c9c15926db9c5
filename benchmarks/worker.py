"""What workers of a queue cost: `python -m benchmarks.worker [JOBS] [ROUNDS] [WAITING] [WORKERS]`.

The same jobs by one process and by a worker or several, PgQueuer's own steps that do nothing, how
late a due poll begins while many tasks wait, and how soon a job goes on when its worker was killed.
PostgreSQL is started for it, on this machine, with fsync and autovacuum; the mock runs in a process
of its own. Only the database's rate is changed: it lets all calls through.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import psycopg
from attrs import define
from benchmarks.batch import KEY, jobs_of, server
from benchmarks.ledger_postgres import bytes_a_job
from benchmarks.process_cpu import cpu_of_descendants

from wanflow import Client
from wanflow.queue import schema
from wanflow.queue.engine import Engine, NextStep, StepKind
from wanflow.queue.rate import key_hash
from wanflow.queue.worker import server_number

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.postgres import PostgresServer

TASK_SECONDS = 3.0
LEASE = 5.0
HELD = 50
"""Polls in flight when a worker is killed."""
_LATE_SECONDS = 20.0
_FIRST_SECONDS = 3.0
_HOUR = 3600.0
DEFAULTS = ("3000", "3", "100000", "1")
_CHUNK = 5_000
_FREE = "INSERT INTO wanflow.rate (server, key, per_second, filled) VALUES (%s, %s, 1e6, 0)"
_TASKS = """
    INSERT INTO wanflow.job (server, state, task, accepted, intended, step, name)
    SELECT %(server)s, 'accepted', %(name)s || number, extract(epoch FROM now()),
        extract(epoch FROM now()) + %(first)s + number * %(apart)s, 1, %(name)s || number
    FROM generate_series(1, %(count)s) AS number
    RETURNING id, intended - extract(epoch FROM now())::float8
"""
_ENDED = """
    SELECT count(*), max(ended - intended) FROM wanflow.job
    WHERE name LIKE %s AND state = 'failed'
"""
_HELD = "SELECT count(*) FROM wanflow.queue WHERE status = 'picked'"


@define
class Round:
    """CPU seconds a job, and steps a second, of one round."""

    batch: float
    worker: float
    enqueue: float
    postgres: float
    steps: float
    polls: float
    bare: float

    def ratios(self) -> dict[str, float]:
        """Return the ratios that are wanted."""
        return {
            "worker / single process, CPU": self.worker / self.batch,
            "PostgreSQL / single process, CPU": self.postgres / self.batch,
            "steps a second / bare steps": self.steps / self.bare,
        }


@define
class Child:
    """A process of `benchmarks.worker_process`."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, *words: object) -> Child:
        """Start it."""
        command = [sys.executable, "-m", "benchmarks.worker_process", *map(str, words)]
        return cls(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))

    def line(self) -> str:
        """Return the next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def figures(self) -> dict[str, float]:
        """Return what it prints at its end."""
        found: dict[str, float] = json.loads(self.line())
        self.process.wait()
        return found

    def kill(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()


@define
class Bench:
    """A server of PostgreSQL and a folder."""

    postgres: PostgresServer
    folder: Path
    workers: int = 1

    def new_queue(self, base_url: str) -> tuple[str, int]:
        """Create a queue whose rate lets all calls through; return its URL and the server's number.

        It is a database of its own: the other ones are left to autovacuum.
        """
        url = self.postgres.create_database()
        schema.initialize(url)
        with psycopg.connect(url, autocommit=True) as connection:
            number = server_number(connection, base_url)
            connection.execute(_FREE, [number, key_hash(f"Bearer {KEY}")])
        return url, number

    def new_folder(self) -> Path:
        """Create a folder."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    def cpu(self) -> float:
        """Return the CPU seconds of all processes of PostgreSQL."""
        pid = (self.postgres.data / "postmaster.pid").read_text().split()[0]
        return cpu_of_descendants(int(pid))

    def do_round(self, count: int) -> Round:
        """Do jobs by one process and by a worker, and as many bare steps."""
        with server(TASK_SECONDS) as (base_url, _):
            single = Child.start("batch", base_url, count, self.new_folder()).figures()
        with server(TASK_SECONDS) as (base_url, _):
            queue, _ = self.new_queue(base_url)
            before, cpu, folder = self.cpu(), time.process_time(), self.new_folder()
            with Client(KEY, base_url) as client:
                client.enqueue(jobs_of(count), queue=queue, out=folder)
            enqueued = time.process_time() - cpu
            found = self.run_workers(queue, base_url, count, folder)
            postgres = self.cpu() - before
        steps = int(found["steps"])
        bare = Child.start("bare", self.postgres.create_database(), steps).figures()
        return Round(
            single["cpu"] / count,
            found["cpu"] / count,
            enqueued / count,
            postgres / count,
            steps / found["seconds"],
            found["polls"] / count,
            steps / bare["seconds"],
        )

    def run_workers(self, queue: str, base_url: str, count: int, folder: Path) -> dict[str, float]:
        """Let workers do all jobs; return the sums of their figures, and the longest time."""
        running = [
            Child.start("worker", queue, base_url, count, folder / str(number), 30, self.workers)
            for number in range(self.workers)
        ]
        for child in running:
            child.line()
        found = [child.figures() for child in running]
        sums = {name: sum(one[name] for one in found) for name in found[0]}
        return {**sums, "seconds": max(one["seconds"] for one in found)}

    def lateness(self, waiting: int, per_second: float) -> float:
        """Return how many seconds a due poll begins and ends late at most, while tasks wait."""
        due = int(_LATE_SECONDS * per_second)
        with failing_server() as (base_url, _):
            queue, number = self.new_queue(base_url)
            add_tasks(queue, number, "waiting-", waiting, first=_HOUR)
            worker = Child.start("worker", queue, base_url, 0, self.new_folder(), 30)
            worker.line()
            first = _FIRST_SECONDS
            add_tasks(queue, number, "due-", due, first=first, apart=1 / per_second)
            late = wait_for_end(queue, "due-%", due)
            worker.kill()
        return late

    def recovery(self) -> float:
        """Return the seconds after which all jobs of a killed worker have gone on."""
        with failing_server() as (base_url, pid), stopped(pid) as go_on:
            queue, number = self.new_queue(base_url)
            add_tasks(queue, number, "held-", HELD)
            words = "worker", queue, base_url, 0, self.new_folder(), LEASE
            dying = Child.start(*words)
            with psycopg.connect(queue, autocommit=True) as connection:
                while connection.execute(_HELD).fetchone() != (HELD,):
                    time.sleep(0.05)
            other = Child.start(*words)
            other.line()
            dying.kill()
            killed = time.perf_counter()
            go_on()
            wait_for_end(queue, "held-%", HELD)
            taken = time.perf_counter() - killed
            other.kill()
        return taken


@contextmanager
def failing_server() -> Generator[tuple[str, int]]:
    """Serve tasks that fail at their first poll → the URL, and the process."""
    command = [sys.executable, "-m", "benchmarks.status_server", "1", "failed"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}", process.pid
        finally:
            process.terminate()


@contextmanager
def stopped(pid: int) -> Generator[Any]:
    """Stop a process in the block, or until the function that this yields is called."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield lambda: os.kill(pid, signal.SIGCONT)
    finally:
        os.kill(pid, signal.SIGCONT)


def add_tasks(
    queue: str, number: int, name: str, count: int, *, first: float = 0.0, apart: float = 0.0
) -> None:
    """Add running tasks whose polls are due in `first` seconds, each `apart` from the next one.

    The time at which it is due is stored as that of the intent.
    """
    values = {"server": number, "name": name, "count": count, "first": first, "apart": apart}
    with psycopg.connect(queue) as connection:
        rows = connection.execute(_TASKS, values).fetchall()
        steps = [NextStep(StepKind.POLL, number, job, 1, delay) for job, delay in rows]
        for start in range(0, count, _CHUNK):
            Engine().put(connection, steps[start : start + _CHUNK])


def wait_for_end(queue: str, names: str, count: int) -> float:
    """Wait until so many tasks have ended; return by how many seconds the latest was late."""
    with psycopg.connect(queue, autocommit=True) as connection:
        while True:
            found = connection.execute(_ENDED, [names]).fetchone()
            assert found is not None
            if found[0] >= count:
                return float(found[1])
            time.sleep(0.2)


def show(rounds: list[Round]) -> None:
    """Print the medians."""
    for name in ("batch", "worker", "enqueue", "postgres"):
        milliseconds = median(getattr(one, name) for one in rounds) * 1000
        print(f"{name:>10}: {milliseconds:.2f} ms of CPU a job")
    for name in ("steps", "bare"):
        print(f"{name:>10}: {median(getattr(one, name) for one in rounds):.0f} a second")
    print(f"{'polls':>10}: {median(one.polls for one in rounds):.2f} a job")
    for name in rounds[0].ratios():
        values = [one.ratios()[name] for one in rounds]
        print(f"{name}: {median(values):.2f} ({min(values):.2f} to {max(values):.2f})")


def main(count: int, rounds: int, waiting: int, workers: int) -> None:
    """Print the figures."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "wrapper"))
    from tests.postgres import running_server  # noqa: PLC0415 - of the tests' directory

    with tempfile.TemporaryDirectory() as name, running_server() as postgres:
        postgres.execute("ALTER SYSTEM SET autovacuum = on")
        postgres.execute("SELECT pg_reload_conf()")
        bench = Bench(postgres, Path(name), workers)
        found = [bench.do_round(count) for _ in range(rounds)]
        show(found)
        half = median(one.steps for one in found) / 2
        late = bench.lateness(waiting, half)
        print(f"{waiting} waiting, {half:.0f} due a second: a poll is {late:.2f} s late at most")
        print(f"killed: all goes on after {bench.recovery():.1f} s, with a lease of {LEASE:g} s")
        print(f"ledger: {bytes_a_job(postgres, max(count, 5000)):.0f} bytes a job")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main(*(int(word) for word in [*sys.argv[1:], *DEFAULTS[len(sys.argv) - 1 :]]))
