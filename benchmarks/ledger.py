"""What the ledger costs: `python -m benchmarks.ledger [JOBS]`.

Full job cycles, from the intent to a saved file, beyond the network: intent (fsynced), task id
(fsynced), three looks, the end, the file with its size and digest. By one thread, and by many that
share their commits; beside them the machine's own fsyncs a second and bare commits of SQLite.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from wanflow._core.recorder import Intent
from wanflow._core.snapshot import Snapshot
from wanflow._files import described
from wanflow.ledger import Ledger
from wanflow.spec.catalog import packaged_catalog

if TYPE_CHECKING:
    from collections.abc import Callable

SERVER = "https://api.example/v1"
MODEL = next(iter(packaged_catalog().models.values()))
BODY = {**MODEL.example, "prompt": "a red fox in the snow, 35 mm, golden hour, shallow focus " * 2}
CONTENT = json.dumps(BODY).encode()
THREADS = 128


def cycle(ledger: Ledger, number: int, file: Path) -> None:
    """Tell the ledger of one job, from its beginning to its end."""
    key, task = f"{number:032x}", f"task-unified-1756817821-{number:08d}"
    ledger.intend(Intent(SERVER, key, MODEL.name, BODY, CONTENT, file.parent))
    usage = {"credits_reserved": 3.5}
    ledger.accepted(key, Snapshot(task, "pending", created=1756817821, usage=usage), hold=True)
    ledger.hold(SERVER, task)
    for progress in (10, 50, 90):
        ledger.seen(SERVER, Snapshot(task, "processing", progress=progress))
    link = f"https://files.example/media/{task}/0.png?signature={'a' * 64}"
    ledger.ended(SERVER, Snapshot(task, "completed", progress=100, results=(link,)))
    ledger.saving(SERVER, task, file.parent)
    ledger.saved(SERVER, task, [described(0, file)])
    ledger.let_go(SERVER, task)


def cycles(folder: Path, count: int, threads: int) -> None:
    """Print the rate of cycles, and the bytes of a job."""
    file = folder / "picture.png"
    file.write_bytes(bytes(1000))
    path = folder / f"{threads}.db"
    with Ledger(path) as ledger, ThreadPoolExecutor(threads) as pool:
        began, cpu = time.perf_counter(), time.process_time()
        list(pool.map(lambda number: cycle(ledger, number, file), range(count)))
        taken, worked = time.perf_counter() - began, time.process_time() - cpu
    rate, each = count / taken, worked / count * 1e6
    size = path.stat().st_size / count
    print(f"{threads:4} threads: {rate:7.0f} cycles a second, {each:4.0f} µs of CPU each, ", end="")
    print(f"{size:.0f} bytes a job")


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
        cycles(folder, count // 10, 1)
        cycles(folder, count, THREADS)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
