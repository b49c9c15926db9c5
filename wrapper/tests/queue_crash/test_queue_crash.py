"""Kill, stall and restart everything at any time: nothing is paid twice, and nothing is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from hashlib import sha256
from itertools import cycle
from threading import Event
from typing import TYPE_CHECKING

import pytest
from attrs import define, field

from tests.any_model import model_name
from tests.ledger.cutting_proxy import CuttingProxy
from tests.queue.conftest import initialize
from tests.queue.manual_worker import enqueue
from tests.queue_crash import worker_process
from tests.queue_crash.processes import environment
from tests.queue_crash.worker_process import POINTS
from wanflow.mock import MockServer
from wanflow.queue.admin import retry
from wanflow.queue.database import Database, DatabaseLost
from wanflow.queue.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.ledger.cutting_proxy import Cut
    from tests.postgres import PostgresServer

JOBS = int(os.environ.get("WANFLOW_QUEUE_JOBS", "60"))
SEED = int(os.environ.get("WANFLOW_QUEUE_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
SUBMIT = "createImageGeneration"
WORKERS, SUBMISSIONS = 3, 4
LEASE, TIMEOUT = 2.0, 4.0
STALLS = (2 * LEASE, LEASE + 2 * TIMEOUT)
"""Seconds: past the lease, and until a request has certainly ended as far as others know."""
CUT = 0.003
"""How many of a worker's messages to the database end its connection, before or after them."""
MOST_ACTIONS, MOST_DEATHS = 12 + JOBS // 50, 12 + JOBS // 50
OPEN = """
    SELECT count(*) FROM wanflow.job
    WHERE state IN ('planned', 'intent', 'accepted', 'completed') AND parked IS NULL
"""
STEPS = "SELECT coalesce(sum(step), 0) FROM wanflow.job"
pytestmark = pytest.mark.slow  # processes are killed and started again for a minute and more


@define
class Fleet:
    """Worker processes, each of which is replaced when it is dead; `deaths` counts them.

    One that was stopped goes on later; `stalled` says when, and `stalls` counts them.
    """

    words: list[str]
    random: random.Random
    processes: list[subprocess.Popen[bytes]] = field(factory=list["subprocess.Popen[bytes]"])
    deaths: int = 0
    stalls: int = 0
    stalled: dict[int, float] = field(factory=dict[int, float])

    def start(self, point: str = "-", probability: float = 0.0) -> None:
        """Start a worker, which may kill or stop itself at a point."""
        ending = [point, str(probability), self.random.choice(["SIGKILL", "SIGSTOP"])]
        command = [sys.executable, worker_process.__file__, *self.words, *ending]
        self.processes.append(subprocess.Popen(command, env=environment()))

    def replace_dead(self) -> None:
        """Start a worker for each that is dead; some of them kill or stop themselves later."""
        for process in list(self.processes):
            if process.poll() is not None:
                assert process.returncode == -signal.SIGKILL, process.returncode
                self.processes.remove(process)
                self.deaths += 1
                calm = self.deaths > MOST_DEATHS
                self.start("-" if calm else self.random.choice([*POINTS, "-"]), 0.03)

    def kill(self) -> None:
        """Kill one."""
        self.random.choice(self.processes).kill()

    def stall(self) -> None:
        """Stop one in the middle of what it does."""
        self.random.choice(self.processes).send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let those go on that were stopped long ago, by the test or by themselves."""
        now = time.monotonic()
        for process in self.processes:
            if not _is_stopped(process):
                self.stalled.pop(process.pid, None)
                continue
            until = self.stalled.setdefault(process.pid, now + self.random.choice(STALLS))
            if now >= until:
                process.send_signal(signal.SIGCONT)
                self.stalls += 1

    def end(self) -> None:
        """Stop all of them as an operator does."""
        self.replace_dead()
        for process in self.processes:
            process.terminate()
        while any(process.poll() is None for process in self.processes):
            for process in self.processes:
                process.send_signal(signal.SIGCONT)
            Event().wait(0.1)


@pytest.fixture
def relay(own_postgres_server: PostgresServer) -> Iterator[Path]:
    """The folder of a relay's socket, between workers and database: it is slow, and cuts."""
    proxy, chance = CuttingProxy(own_postgres_server.folder / ".s.PGSQL.5432"), random.Random(SEED)

    def cut(_: bytes) -> Cut | None:
        if chance.random() >= CUT:
            return None
        return "before" if chance.random() < 0.5 else "after"

    proxy.cut, proxy.delay = cut, 0.002
    yield proxy.folder
    proxy.close()


def _is_stopped(process: subprocess.Popen[bytes]) -> bool:
    try:
        flags = os.WSTOPPED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, process.pid, flags) is not None
    except ChildProcessError:
        return False


@pytest.mark.parametrize("honoured", [False, True], ids=["keys ignored", "keys honoured"])
def test_nothing_is_paid_twice_and_nothing_is_lost(
    own_postgres_server: PostgresServer, relay: Path, api_key: str, tmp_path: Path, honoured: bool
) -> None:
    chance = random.Random(SEED)
    url = own_postgres_server.create_database()
    initialize(url)
    proxied = own_postgres_server.url(url.partition("?")[0].rpartition("/")[2], host=str(relay))
    with MockServer(polls=1, idempotency=honoured, journal_entries=100 * JOBS) as mock:
        model, out = model_name("image"), tmp_path / "out"
        jobs = [{"model": model, "prompt": f"a cat {number}"} for number in range(JOBS)]
        enqueue(url, mock, api_key, jobs, out, resubmit_uncertain=honoured)
        spool = str(tmp_path / "spool")
        words = [proxied, mock.base_url, api_key, spool, str(LEASE), str(TIMEOUT), str(SUBMISSIONS)]
        fleet = Fleet(words, chance)
        for point in chance.sample([*POINTS], WORKERS):
            fleet.start(point, 0.05)
        try:
            _disturb(fleet, own_postgres_server, url, chance)
            with Database(url) as database:
                # Three deaths in one step park a job: its user lets it go on.
                retry(database, Engine())
            while _count(url, OPEN):
                fleet.replace_dead()
                fleet.go_on()
                Event().wait(0.2)
        finally:
            fleet.end()
        with Database(url) as database:
            _check(database, mock, fleet, out, honoured=honoured)


def _disturb(fleet: Fleet, postgres: PostgresServer, url: str, chance: random.Random) -> None:
    """Kill, stall and restart, each after some progress, until no job is open."""
    actions = cycle([fleet.kill, fleet.stall, fleet.kill, partial(_restart, postgres)])
    pause, due, turn = Event(), JOBS // 10, 0
    while _count(url, OPEN):
        pause.wait(0.2)
        fleet.replace_dead()
        fleet.go_on()
        done = _count(url, STEPS)
        if done >= due and turn < MOST_ACTIONS:
            due, turn = done + chance.randint(1, max(1, JOBS // 4)), turn + 1
            next(actions)()


def _restart(postgres: PostgresServer) -> None:
    postgres.stop("immediate")
    postgres.start()


def _count(url: str, query: str) -> int:
    while True:
        try:
            with Database(url) as database, database.connection() as connection:
                found = connection.execute(query.encode()).fetchone()
                assert found is not None
                return int(found[0])
        except DatabaseLost:
            Event().wait(0.1)


def _check(
    database: Database, mock: MockServer, fleet: Fleet, out: Path, *, honoured: bool
) -> None:
    with database.connection() as connection:
        states = Counter(
            dict(connection.execute("SELECT state, count(*) FROM wanflow.job GROUP BY 1"))
        )
        files = connection.execute("SELECT name, size, sha256 FROM wanflow.file").fetchall()
        rows = connection.execute(
            "SELECT id, entrypoint, dedupe_key FROM wanflow.queue WHERE status = 'picked'"
        ).fetchall()
        uncertain = {
            json.loads(body)["prompt"]
            for (body,) in connection.execute(
                "SELECT body FROM wanflow.job WHERE state = 'uncertain'"
            )
        }
        saved = {
            json.loads(body)["prompt"]
            for (body,) in connection.execute("SELECT body FROM wanflow.job WHERE state = 'saved'")
        }
    summary = f"seed {SEED}: {dict(states)}, {fleet.deaths} deaths, {fleet.stalls} stalls"
    print(summary)  # noqa: T201 - with -s
    # Charged at most once, by the server's own account.
    tasks = _tasks(mock)
    assert max(tasks.values()) == 1, summary
    # Everything that was charged is saved, or named as uncertain.
    assert set(tasks) <= saved | uncertain, summary
    assert saved <= set(tasks), summary
    assert set(states) <= {"saved", "uncertain"}, summary
    assert len(saved) + len(uncertain) == JOBS, summary
    # A request that is stopped for longer than its timeout is uncertain, too.
    assert len(uncertain) <= SUBMISSIONS * (fleet.deaths + fleet.stalls), summary
    assert len(files) == len(saved), summary
    for name, size, digest in files:
        content = (out / name).read_bytes()
        assert len(content) == size
        assert sha256(content).digest() == bytes(digest)
    assert rows == [], summary


def _tasks(mock: MockServer) -> Counter[str]:
    """Count the tasks that the server created, by prompt: a replayed submission creates none."""
    prompts: dict[str, set[str]] = {}
    for one in mock.journal:
        if one.operation == SUBMIT and one.task_id and one.status == 200:
            prompts.setdefault(json.loads(one.body or "{}")["prompt"], set()).add(one.task_id)
    return Counter({prompt: len(tasks) for prompt, tasks in prompts.items()})
