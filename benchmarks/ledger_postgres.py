"""What a ledger in PostgreSQL costs: `python -m benchmarks.ledger_postgres [JOBS] [ROUNDS]`.

The same records as in `benchmarks.ledger`, in a server that is started for it, on this machine and
with fsync. Each figure is also a ratio to bare commits: one psycopg connection that inserts one row
a transaction. The size is that of all tables and indexes, where the space of old versions is freed
for the next ones as often as autovacuum does it: once a fiftieth of the rows is old.
"""

from __future__ import annotations

import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from benchmarks.ledger import THREADS, Timing, Timings, acycle, cycle, median_of, rate_of

from wanflow.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import PostgresServer

FILE = Path("/files/picture.png")
COMMITS = 300
PORTIONS = 100
"""A job leaves two old versions, so a fiftieth of all rows is old after a hundredth more jobs."""
_SIZE = """
    SELECT sum(pg_total_relation_size(pg_class.oid))::bigint
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = 'wanflow' AND relkind = 'r'
"""


def bare_commits(url: str) -> float:
    """Return how many rows a second psycopg inserts, each in a transaction of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS public.bare (x text)")
        query = "INSERT INTO public.bare VALUES (%s)"
        return rate_of(lambda: connection.execute(query, ["one row"]), COMMITS)


@contextmanager
def timed(server: PostgresServer, name: str, count: int, found: Timings) -> Iterator[Ledger]:
    """Yield a ledger, and time the cycles in the block."""
    url = server.empty_database()
    before = bare_commits(url)
    with Ledger(url) as ledger:
        began, cpu = time.perf_counter(), time.process_time()
        yield ledger
        taken, worked = time.perf_counter() - began, time.process_time() - cpu
    rate = count / taken
    bare = (before + bare_commits(url)) / 2
    timing = Timing(rate, rate / bare, worked / count * 1e6)
    found.setdefault(name, []).append(timing)
    print(f"{name:>11}: {timing}")


def by_threads(server: PostgresServer, count: int, threads: int, found: Timings) -> None:
    """Do cycles in some threads."""
    with (
        ThreadPoolExecutor(threads) as pool,
        timed(server, f"{threads} threads", count, found) as ledger,
    ):
        list(pool.map(lambda number: cycle(ledger, number, FILE), range(count)))


async def by_tasks(server: PostgresServer, count: int, tasks: int, found: Timings) -> None:
    """Do cycles in some tasks of an event loop."""
    left = iter(range(count))

    async def work(ledger: Ledger) -> None:
        for number in left:
            await acycle(ledger, number, FILE)

    with timed(server, f"{tasks} tasks", count, found) as ledger:
        await asyncio.gather(*(work(ledger) for _ in range(tasks)))


def bytes_a_job(server: PostgresServer, count: int) -> float:
    """Return the size of a ledger with so many jobs, which all ended, for each of them."""
    url = server.empty_database()
    database = url.partition("?")[0].rpartition("/")[2]
    with Ledger(url) as ledger, ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, count, count // PORTIONS):
            numbers = range(start, start + count // PORTIONS)
            list(pool.map(lambda number: cycle(ledger, number, FILE), numbers))
            server.execute("VACUUM", database)
    [(size,)] = server.execute(_SIZE, database)
    return size / count


def main(count: int, rounds: int) -> None:
    """Print the figures."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "wrapper"))
    from tests.postgres import running_server  # noqa: PLC0415 - of the tests' directory

    found: Timings = {}
    with running_server() as server:
        print(f"{bytes_a_job(server, count):.0f} bytes a job")
        for _ in range(rounds):
            by_threads(server, count // 10, 1, found)
            by_threads(server, count, THREADS, found)
            asyncio.run(by_tasks(server, count, THREADS, found))
    print(f"medians of {rounds} rounds:")
    for name, timings in found.items():
        print(f"{name:>11}: {median_of(timings)}")


if __name__ == "__main__":
    main(*(int(word) for word in [*sys.argv[1:], "5000", "3"][:2]))
