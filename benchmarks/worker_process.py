"""The processes that `benchmarks.worker` measures, each alone: `… KIND ARGUMENTS`.

`batch URL JOBS FOLDER` does jobs in one process. `worker QUEUE URL JOBS FOLDER LEASE [WORKERS]`
saves so many of a queue (0 for no end), as one of so many workers. `bare QUEUE STEPS` runs steps
that do nothing by PgQueuer alone. Each prints its figures as one line of JSON; a worker prints a
line before, when it runs.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import psycopg
from benchmarks.batch import KEY, do_batch
from pgqueuer.adapters.drivers.psycopg import PsycopgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import QueueExecutionMode

from wanflow import AsyncClient
from wanflow.queue import StopSignal, Worker
from wanflow.queue.worker import DEFAULT_POLLS

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 1_000
_SAVED = "SELECT count(*) FROM wanflow.job WHERE state = 'saved'"


def timed(work: Callable[[], dict[str, Any]]) -> None:
    """Print the seconds and the CPU seconds that this process takes for some work."""
    cpu, begun = time.process_time(), time.perf_counter()
    found = work()
    taken, worked = time.perf_counter() - begun, time.process_time() - cpu
    print(json.dumps({"seconds": taken, "cpu": worked, **found}), flush=True)


def batch(url: str, jobs: str, folder: str) -> None:
    """Do jobs in one process, with a ledger in a file."""

    def work() -> dict[str, Any]:
        report = asyncio.run(do_batch(url, int(jobs), Path(folder)))
        assert report.complete, report.counts
        return {}

    timed(work)


def worker(queue: str, url: str, jobs: str, folder: str, lease: str, workers: str = "1") -> None:
    """Run the steps of a queue until so many jobs are saved, by all workers."""
    stop, spool = StopSignal(), Path(folder) / "spool"
    running = Worker(AsyncClient(KEY, url), queue, lease=float(lease), spool=spool)
    metrics = running.metrics

    def watch() -> None:
        while not metrics.value("database_up"):
            time.sleep(0.01)
        print("running", flush=True)
        with psycopg.connect(queue, autocommit=True) as connection:
            while not int(jobs) or saved(connection) < int(jobs):
                time.sleep(0.1)
        stop.set()

    def saved(connection: psycopg.Connection) -> float:
        if workers == "1":
            return metrics.value("jobs_saved")
        found = connection.execute(_SAVED).fetchone()
        return int(found[0]) if found else 0

    def work() -> dict[str, Any]:
        Thread(target=watch, daemon=True).start()
        running.run(stop)
        return {name: metrics.value(name) for name in ("steps", "polls")}

    timed(work)


def bare(queue: str, steps: str) -> None:
    """Enqueue steps, and run them by PgQueuer alone, with a handler that does nothing."""
    asyncio.run(_bare(queue, int(steps)))


async def _bare(queue: str, steps: int) -> None:
    settings = DBSettings(durability=Durability.balanced)
    async with await psycopg.AsyncConnection.connect(queue, autocommit=True) as connection:
        queries = Queries(
            PsycopgDriver(connection),
            QueryBuilderEnvironment(settings),
            QueryQueueBuilder(settings),
        )
        await queries.install()
        await connection.execute(
            QueryBuilderEnvironment(settings).build_optimize_autovacuum_query().encode()
        )
        for start in range(0, steps, _CHUNK):
            count = min(_CHUNK, steps - start)
            await queries.enqueue(["nothing"] * count, [b"1:1"] * count, [0] * count)
        manager = QueueManager(queries)

        @manager.entrypoint("nothing")
        async def nothing(job: object) -> None:
            del job

        cpu, begun = time.process_time(), time.perf_counter()
        await manager.run(batch_size=DEFAULT_POLLS, mode=QueueExecutionMode.drain)
        taken, worked = time.perf_counter() - begun, time.process_time() - cpu
    print(json.dumps({"seconds": taken, "cpu": worked, "steps": steps}), flush=True)


if __name__ == "__main__":
    {"batch": batch, "worker": worker, "bare": bare}[sys.argv[1]](*sys.argv[2:])
