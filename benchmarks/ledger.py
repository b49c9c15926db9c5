"""What the ledger costs: `python -m benchmarks.ledger [JOBS] [ROUNDS]`.

All records of a job, from the intent to a saved file: intent (fsynced), task id (fsynced), three
polls, the end, the file with its size and digest, which the download computes. By one thread, by
many that share their commits, and by as many tasks of an event loop, as an async client records
it. Each is also a ratio to the fsynced commits of SQLite that the machine does in a second, which
are counted before and after it. The last lines are the medians of the rounds.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, TypeAlias

from attrs import astuple, define

from wanflow._core.recorder import File, SubmissionIntent
from wanflow._core.snapshot import Snapshot
from wanflow._event_loop import wait_for_outcome
from wanflow.catalog.catalog import packaged_catalog
from wanflow.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SERVER = "https://api.example/v1"
MODEL = next(iter(packaged_catalog().models.values()))
BODY = {**MODEL.example, "prompt": "a red fox in the snow, 35 mm, golden hour, shallow focus " * 2}
CONTENT = json.dumps(BODY).encode()
THREADS = 128
"""Threads, or tasks."""
USAGE = {"credits_reserved": 3.5}
COMMITS = 300
"""How many bare commits are timed."""


def words(number: int) -> tuple[str, str]:
    """Return the key and the task of a job."""
    return f"{number:032x}", f"task-unified-1756817821-{number:08d}"


def intent(key: str, folder: Path) -> SubmissionIntent:
    """Return what is written down before a submission."""
    return SubmissionIntent(SERVER, key, MODEL.name, BODY, CONTENT, folder)


def accepted(task: str) -> Snapshot:
    """Return the response to a submission."""
    return Snapshot(task, "pending", created=1756817821, usage=USAGE)


def run_and_end(ledger: Ledger, task: str, folder: Path) -> None:
    """Record the polls of a task, and its end."""
    ledger.acquire_task(SERVER, task)
    for progress in (10, 50, 90):
        ledger.record_poll(SERVER, Snapshot(task, "processing", progress=progress))
    link = f"https://files.example/media/{task}/0.png?signature={'a' * 64}"
    ledger.record_done(SERVER, Snapshot(task, "completed", progress=100, urls=(link,)))
    ledger.record_target_dir(SERVER, task, folder)


def cycle(ledger: Ledger, number: int, file: Path) -> None:
    """Record one job, from its beginning to its end."""
    key, task = words(number)
    ledger.record_intent(intent(key, file.parent))
    ledger.record_accepted(key, accepted(task), hold=True)
    run_and_end(ledger, task, file.parent)
    ledger.record_files(SERVER, task, [File(0, file, 1000, "ab" * 32)])
    ledger.release_task(SERVER, task)


async def acycle(ledger: Ledger, number: int, file: Path) -> None:
    """Record one job as the driver of an async client does."""
    key, task = words(number)

    async def record(function: Callable[..., object], *values: object, **more: object) -> None:
        await wait_for_outcome(partial(ledger.submit, partial(function, *values, **more)))

    await record(ledger.record_intent, intent(key, file.parent))
    await record(ledger.record_accepted, key, accepted(task), hold=True)
    run_and_end(ledger, task, file.parent)
    await record(ledger.record_files, SERVER, task, [File(0, file, 1000, "ab" * 32)])
    ledger.release_task(SERVER, task)


@define
class Timing:
    """Cycles a second, as a ratio to bare commits, and µs of CPU each."""

    rate: float = 0.0
    ratio: float = 0.0
    cpu: float = 0.0

    def __str__(self) -> str:
        ratio = f"{self.ratio:.2f} times the bare commits"
        return f"{self.rate:6.0f} cycles a second, {ratio}, {self.cpu:4.0f} µs of CPU each"


Timings: TypeAlias = dict[str, list[Timing]]
"""The timings of each kind, by its name."""


@contextmanager
def timed(folder: Path, name: str, count: int, found: Timings) -> Iterator[tuple[Ledger, Path]]:
    """Yield a ledger and a file, and time the cycles in the block."""
    path = folder / f"{name}.db"
    before = bare_commits(folder)
    with Ledger(path) as ledger:
        began, cpu = time.perf_counter(), time.process_time()
        yield ledger, folder / "picture.png"
        taken, worked = time.perf_counter() - began, time.process_time() - cpu
    rate = count / taken
    bare = (before + bare_commits(folder)) / 2
    timing = Timing(rate, rate / bare, worked / count * 1e6)
    found.setdefault(name, []).append(timing)
    print(f"{name:>11}: {timing}, {path.stat().st_size / count:.0f} bytes a job")
    path.unlink()


def by_threads(folder: Path, count: int, threads: int, found: Timings) -> None:
    """Do cycles in some threads."""
    with (
        ThreadPoolExecutor(threads) as pool,
        timed(folder, f"{threads} threads", count, found) as (ledger, file),
    ):
        list(pool.map(lambda number: cycle(ledger, number, file), range(count)))


async def by_tasks(folder: Path, count: int, tasks: int, found: Timings) -> None:
    """Do cycles in some tasks of an event loop."""
    left = iter(range(count))

    async def work(ledger: Ledger, file: Path) -> None:
        for number in left:
            await acycle(ledger, number, file)

    with timed(folder, f"{tasks} tasks", count, found) as (ledger, file):
        await asyncio.gather(*(work(ledger, file) for _ in range(tasks)))


def rate_of(action: Callable[[], object], times: int) -> float:
    """Return how often a second something can be done."""
    began = time.perf_counter()
    for _ in range(times):
        action()
    return times / (time.perf_counter() - began)


def bare_commits(folder: Path) -> float:
    """Return how many fsynced commits of SQLite the machine does in a second."""
    path = folder / "bare.db"
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE t (x)")
        return rate_of(lambda: connection.execute("INSERT INTO t VALUES (1)"), COMMITS)
    finally:
        connection.close()
        path.unlink()


def median_of(timings: list[Timing]) -> Timing:
    """Return the median of each figure."""
    return Timing(*(median(column) for column in zip(*map(astuple, timings), strict=True)))


def main(count: int, rounds: int) -> None:
    """Print the figures."""
    found: Timings = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(rounds):
            by_threads(folder, count // 10, 1, found)
            by_threads(folder, count, THREADS, found)
            asyncio.run(by_tasks(folder, count, THREADS, found))
    print(f"medians of {rounds} rounds:")
    for name, timings in found.items():
        print(f"{name:>11}: {median_of(timings)}")


if __name__ == "__main__":
    main(*(int(word) for word in [*sys.argv[1:], "10000", "3"][:2]))
