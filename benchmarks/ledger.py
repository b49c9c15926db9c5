"""What the ledger costs: `python -m benchmarks.ledger [JOBS]`.

Full job cycles, from the intent to a saved file, beyond the network: intent (fsynced), task id
(fsynced), three polls, the end, the file with its size and digest. By one thread, by many that
share their commits, and by as many tasks of an event loop, as an async client records it. For
comparison, also the machine's own fsyncs and bare commits of SQLite per second.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from wanflow._core.recorder import SubmissionIntent
from wanflow._core.snapshot import Snapshot
from wanflow._event_loop import run_in_thread
from wanflow._runtime.batch_executor import BatchExecutor
from wanflow._storage.part_file import file_info
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
    ledger.record_files(SERVER, task, [file_info(0, file)])
    ledger.release_task(SERVER, task)


async def acycle(ledger: Ledger, executor: BatchExecutor, number: int, file: Path) -> None:
    """Record one job as the driver of an async client does."""
    key, task = words(number)

    async def record(function: Callable[..., object], *values: object, **more: object) -> None:
        await executor.submit(partial(function, *values, **more), ledger.run_in_transaction)

    await record(ledger.record_intent, intent(key, file.parent))
    await record(ledger.record_accepted, key, accepted(task), hold=True)
    run_and_end(ledger, task, file.parent)
    files = [await run_in_thread(partial(file_info, 0, file))]
    await record(ledger.record_files, SERVER, task, files)
    ledger.release_task(SERVER, task)


@contextmanager
def timed(folder: Path, name: str, count: int) -> Iterator[tuple[Ledger, Path]]:
    """Yield a ledger and a file, and print what the cycles in the block cost."""
    file, path = folder / "picture.png", folder / f"{name}.db"
    file.write_bytes(bytes(1000))
    with Ledger(path) as ledger:
        began, cpu = time.perf_counter(), time.process_time()
        yield ledger, file
        taken, worked = time.perf_counter() - began, time.process_time() - cpu
    rate, each = count / taken, worked / count * 1e6
    size = path.stat().st_size / count
    print(f"{name:>11}: {rate:7.0f} cycles a second, {each:4.0f} µs of CPU each, ", end="")
    print(f"{size:.0f} bytes a job")


def by_threads(folder: Path, count: int, threads: int) -> None:
    """Do cycles in some threads."""
    with (
        ThreadPoolExecutor(threads) as pool,
        timed(folder, f"{threads} threads", count) as (ledger, file),
    ):
        list(pool.map(lambda number: cycle(ledger, number, file), range(count)))


async def by_tasks(folder: Path, count: int, tasks: int) -> None:
    """Do cycles in some tasks of an event loop."""
    left, executor = iter(range(count)), BatchExecutor()

    async def work(ledger: Ledger, file: Path) -> None:
        for number in left:
            await acycle(ledger, executor, number, file)

    with timed(folder, f"{tasks} tasks", count) as (ledger, file):
        await asyncio.gather(*(work(ledger, file) for _ in range(tasks)))


def rate_of(action: Callable[[], object], times: int) -> float:
    """Return how often a second something can be done."""
    began = time.perf_counter()
    for _ in range(times):
        action()
    return times / (time.perf_counter() - began)


def bare(folder: Path) -> None:
    """Print what the machine can do at all."""
    with (folder / "bare").open("wb") as file:

        def sync() -> None:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())

        print(f"fsyncs of 4 KiB: {rate_of(sync, 300):.0f} a second")
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE t (x)")
    insert = "INSERT INTO t VALUES (1)"
    print(f"commits of SQLite, fsynced: {rate_of(lambda: connection.execute(insert), 300):.0f}")
    connection.close()


def main(count: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare(folder)
        by_threads(folder, count // 10, 1)
        by_threads(folder, count, THREADS)
        asyncio.run(by_tasks(folder, count, THREADS))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
