"""A worker that takes its steps when a test says so, and never waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from wanflow import AsyncClient, Client
from wanflow._base_client import operations_of
from wanflow.queue import sweeper
from wanflow.queue.database import Database
from wanflow.queue.engine import Engine, StepKind
from wanflow.queue.metrics import Metrics
from wanflow.queue.rate import SharedRate
from wanflow.queue.recorder import StepRecorder
from wanflow.queue.spool import Spool
from wanflow.queue.steps import Steps
from wanflow.queue.work import Work, load
from wanflow.queue.worker import server_number
from wanflow.queue.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from wanflow._core.effects import Outcome
    from wanflow.mock import MockServer
    from wanflow.queue.handle import QueuedBatch

ALL = tuple(StepKind)
QUEUE_EVENTS = {"enqueued", "queued_batch", "questionable", "queue_changed"}
"""What commands of a queue print with `--json`."""


class FreeRate(SharedRate):
    """A rate that lets every call through, and records what slowed it down."""

    def __init__(self, database: Database, server: int) -> None:
        super().__init__(database, server, b"", asyncio.to_thread)
        self.pauses: list[float | None] = []

    async def acquire(self) -> None:
        """Let a call through."""

    async def slow_down(self, retry_after: float | None) -> None:
        """Record a 429."""
        self.pauses.append(retry_after)


class ManualWorker:
    """One worker process, as far as the database can see; `sending` and `window` as in Steps."""

    def __init__(
        self,
        queue: str,
        server: MockServer,
        api_key: str,
        folder: Path,
        *,
        sending: float = 60.0,
        window: float = 60.0,
        timeout: float = 30.0,
        idle_limit: float = 60.0,
    ) -> None:
        self.database, self.engine = Database(queue), Engine()
        self.writer = Database(queue, idle_limit=idle_limit)
        self.metrics, self.spool = Metrics(), Spool(folder / "spool")
        self.writes = Writes(self.writer, self.engine)
        self._key, self._base_url = api_key, server.base_url
        client = AsyncClient(api_key, server.base_url, timeout=timeout)
        config, operations, driver = operations_of(client)
        with self.database.connection() as connection:
            self.server = server_number(connection, config.base_url)
        self.rate = FreeRate(self.database, self.server)
        self._driver = driver
        self.steps = Steps(
            operations.with_recorder,
            driver,
            self.writes,
            self.writes,
            self.rate,
            self.spool,
            self.metrics,
            sending,
            asyncio.Semaphore(1000),
            window,
            jitter=lambda: 0.5,
        )

    def make_due(self) -> None:
        """Let the time pass that the steps wait for."""
        self.execute("UPDATE wanflow.queue SET execute_after = now() - interval '1 s'")

    def take(self, kinds: Iterable[StepKind] = ALL, limit: int = 1000) -> list[Work]:
        """Take due steps."""
        with self.database.connection() as connection:
            rows = self.engine.take(connection, kinds, self.server, limit)
            return load(connection, rows, self.metrics)

    def run(self, works: Iterable[Work]) -> None:
        """Run steps concurrently to their ends."""

        async def run_all() -> None:
            try:
                await asyncio.gather(*(self.steps.run(work) for work in works))
            finally:
                await self._driver.close()

        asyncio.run(run_all())

    def turn(self, kinds: Iterable[StepKind] = ALL, limit: int = 1000) -> list[Work]:
        """Let the steps be due, take them and run them; return them."""
        self.make_due()
        works = self.take(kinds, limit)
        self.run(works)
        return works

    def drain(self, turns: int = 50) -> None:
        """Run steps until none is left."""
        for _ in range(turns):
            if not self.turn():
                return
        raise AssertionError(f"steps were left after {turns} turns")

    def die(self) -> None:
        """Let the leases of what was taken end, as after a kill."""
        self.execute("UPDATE wanflow.queue SET heartbeat = now() - interval '1 day'")
        with self.database.connection() as connection:
            self.engine.return_abandoned(connection, 30)

    def intend(self, work: Work) -> StepRecorder:
        """Record the intent of a step, and go no further."""
        recorder = self.recorder(work)
        (end,) = self.writes.run([lambda: recorder.record_intent(None)])  # type: ignore[arg-type]
        assert end.error is None, end.error
        return recorder

    def write(self, function: Callable[[], Any]) -> None:
        """Call a function in a transaction."""
        (end,) = self.writes.run([function])
        assert end.error is None, end.error

    def recorder(self, work: Work) -> StepRecorder:
        """Return what records a step."""
        return StepRecorder(work, self.writes, self.spool, 60.0, 60.0)

    def stalled_submission(self, work: Work) -> Callable[[], Outcome]:
        """Submit a step, and return what writes its outcome later."""
        recorder = self.intend(work)
        with Client(self._key, self._base_url) as client:
            task = client.submit(work.body, idempotency_key=work.key)
        assert task.snapshot is not None
        snapshot = task.snapshot
        return lambda: self.writes.run(
            [lambda: recorder.record_accepted(work.key, snapshot, hold=False)]
        )[0]

    def sweep(self) -> int:
        """Enqueue the steps that have no row."""
        return sweeper.sweep(self.database, self.engine)

    def execute(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Execute a statement, and return its rows."""
        with self.database.connection() as connection:
            cursor = connection.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def states(self) -> dict[str, int]:
        """Count the jobs by state."""
        return dict(self.execute("SELECT state, count(*) FROM wanflow.job GROUP BY 1"))

    def column(self, name: str) -> list[Any]:
        """Return a column of all jobs, in their order."""
        return [one for (one,) in self.execute(f"SELECT {name} FROM wanflow.job ORDER BY id")]

    def rows(self) -> int:
        """Count the rows of the queue."""
        return int(self.execute("SELECT count(*) FROM wanflow.queue")[0][0])

    def close(self) -> None:
        """Close the connections."""
        self.writes.close()
        self.database.close()
        self.writer.close()


def enqueue(
    queue: str, server: MockServer, api_key: str, jobs: list[dict[str, Any]], out: Any, **more: Any
) -> QueuedBatch:
    """Enqueue jobs with a sync client."""
    with Client(api_key, server.base_url) as client:
        options: dict[str, Any] = {"name": "run1", **more}
        return client.enqueue(jobs, queue=queue, out=out, **options)
