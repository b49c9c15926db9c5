"""A worker: takes due steps, runs many of them concurrently, and leaves nothing when it stops."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow._base_client import operations_of
from wanflow.batch.models import StopSignal
from wanflow.errors import ConfigurationError, LedgerError
from wanflow.queue import schema, sweeper
from wanflow.queue.callbacks import bring_forward_early
from wanflow.queue.database import Database, DatabaseLost
from wanflow.queue.engine import SCHEMA, Engine, StepKind
from wanflow.queue.health import serve_metrics
from wanflow.queue.metrics import Metrics
from wanflow.queue.rate import SharedRate, key_hash
from wanflow.queue.spool import Spool, default_folder
from wanflow.queue.steps import RESEND_WINDOW, Steps
from wanflow.queue.work import Work, load, read_clock
from wanflow.queue.worker_clock import WorkerClock
from wanflow.queue.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wanflow._base_client import BaseClient
    from wanflow._runtime.driver import AsyncDriver
    from wanflow.queue.engine import QueueRow

_log = logging.getLogger("wanflow")
DEFAULT_SUBMISSIONS = 8
DEFAULT_POLLS = 100
DEFAULT_LEASE = 30.0
_IDLE = 0.25
"""Seconds between two checks for due steps while there are none."""
_BUSY = 0.02
_LOST = 1.0
"""Seconds between two attempts to reach a database that is lost."""
_RETURN_INTERVAL = 2.0
_OTHERS = (StepKind.RESOLVE, StepKind.DOWNLOAD, StepKind.POLL)
_SUBMISSIONS = (StepKind.SUBMIT,)


@define(eq=False)
class Worker:
    """Runs the steps of jobs in a queue until it is stopped.

    Args:
        client: an AsyncClient of the server whose jobs are run; the worker closes it.
        queue: the URL of the database.
        submissions: how many submissions are in flight: if the worker is killed, so many jobs can
            become uncertain.
        polls: how many polls and downloads are in flight.
        metrics_port: where `/metrics` and `/healthz` are served; None for nowhere.
        lease: seconds after which another worker goes on with the steps of a dead one.
        spool: the folder for outcomes of submissions that the database can't take.

    Raises:
        ConfigurationError: the database has no queue, or a number is out of range.
        LedgerError: the database can't be reached, or the spool can't be written.
    """

    client: BaseClient[AsyncDriver] = field(repr=False)
    queue: str = field(repr=False)
    submissions: int = field(default=DEFAULT_SUBMISSIONS, kw_only=True)
    polls: int = field(default=DEFAULT_POLLS, kw_only=True)
    metrics_port: int | None = field(default=None, kw_only=True)
    metrics_host: str = field(default="127.0.0.1", kw_only=True)
    lease: float = field(default=DEFAULT_LEASE, kw_only=True)
    window: float = field(default=RESEND_WINDOW, kw_only=True)
    spool: Path | None = field(default=None, kw_only=True)
    metrics: Metrics = field(factory=Metrics, init=False)
    metrics_address: tuple[str, int] | None = field(default=None, init=False)
    """The host and the port of `/metrics`, once they are served."""
    _engine: Engine = field(factory=Engine, init=False, repr=False)
    _reader: Database = field(init=False, repr=False)
    _writer: Database = field(init=False, repr=False)
    _clock: WorkerClock = field(init=False, repr=False)
    _last_taken: float = field(default=0.0, init=False, repr=False)
    _running: dict[int, asyncio.Task[None]] = field(
        factory=dict[int, "asyncio.Task[None]"], init=False
    )
    _submitting: set[int] = field(factory=set[int], init=False)

    def __attrs_post_init__(self) -> None:
        """Check the numbers, and that the database has a queue."""
        if min(self.submissions, self.polls) < 1 or self.lease <= 0:
            raise ConfigurationError("a worker needs a submission, a poll and a lease at least")
        with Database(self.queue) as database:
            schema.require_installed(database)
        self._reader, self._writer = Database(self.queue), Database(self.queue)

    def run(self, stop: StopSignal | None = None) -> None:
        """Run steps until `stop` is set; those in flight are then finished."""
        asyncio.run(self.run_async(stop))

    async def run_async(self, stop: StopSignal | None = None) -> None:
        """Do the same in a running event loop."""
        stop = stop or StopSignal()
        try:
            steps = await self._prepared(stop)
            if steps is None:
                return
            async with serve_metrics(
                self.metrics, self.metrics_host, self.metrics_port
            ) as self.metrics_address:
                await self._serve(steps, stop)
        finally:
            await operations_of(self.client)[2].close()
            self._reader.close()
            self._writer.close()

    async def _prepared(self, stop: StopSignal) -> Steps | None:
        """Prepare, and wait for a database that is lost; None if it was stopped meanwhile."""
        while not stop.is_set:
            try:
                return await asyncio.to_thread(self._prepare)
            except DatabaseLost as error:
                self._note_lost(error)
                await asyncio.sleep(_LOST)
        return None

    def _prepare(self) -> Steps:
        config, operations, driver = operations_of(self.client)
        spool = Spool(self.spool or default_folder())
        with self._reader.connection() as connection:
            server = server_number(connection, config.base_url)
            self._clock = WorkerClock(read_clock(connection))
        writes = Writes(self._writer, self._engine)
        rate = SharedRate(
            self._reader, server, key_hash(config.key.header()["authorization"]), asyncio.to_thread
        )
        return Steps(
            operations.with_recorder,
            driver.with_clock(self._clock),
            writes,
            rate,
            spool,
            self.metrics,
            self.lease + config.timeout,
            self.window,
        )

    async def _serve(self, steps: Steps, stop: StopSignal) -> None:
        self._last_taken = time.monotonic()
        upkeep = [
            asyncio.create_task(self._every(self.lease / 4, self._beat)),
            asyncio.create_task(
                self._every(_RETURN_INTERVAL, partial(self._return_abandoned, steps))
            ),
            asyncio.create_task(self._every(sweeper.SWEEP_INTERVAL, self._sweep)),
            asyncio.create_task(self._every(_LOST, partial(self._replay, steps))),
            asyncio.create_task(self._watch_database()),
        ]
        try:
            while not stop.is_set:
                await self._wait(await self._start_due(steps))
            while self._running:
                await asyncio.wait(self._running.values())
            await asyncio.to_thread(self._replay, steps)
        except LedgerError as error:
            _log.warning("outcomes of submissions are left in the spool: %s", error)
        finally:
            for task in upkeep:
                task.cancel()
            await asyncio.gather(*upkeep, return_exceptions=True)
            steps.writes.close()

    async def _start_due(self, steps: Steps) -> float:
        """Start the steps that are due, as many as fit; return the seconds until the next check."""
        try:
            works = await asyncio.to_thread(self._take, steps.rate.server)
        except LedgerError as error:
            self._note_lost(error)
            return _LOST
        self._last_taken = time.monotonic()
        self.metrics.set("database_up", 1)
        for work in works:
            self._clock.database = work.clock
            self._start(steps, work)
        self.metrics.set("steps_in_flight", len(self._running))
        self.metrics.set("rate_per_second", steps.rate.per_second)
        return _BUSY if works else _IDLE

    def _take(self, server: int) -> list[Work]:
        others = self.polls - (len(self._running) - len(self._submitting))
        submissions = self.submissions - len(self._submitting)
        rows: list[QueueRow] = []
        with self._reader.connection() as connection:
            if others > 0:
                rows += self._engine.take(connection, _OTHERS, server, others)
            if submissions > 0:
                rows += self._engine.take(connection, _SUBMISSIONS, server, submissions)
            works = load(connection, rows, self.metrics)
            known = {work.row.id for work in works}
            self._engine.finish(connection, [row.id for row in rows if row.id not in known])
        return works

    def _start(self, steps: Steps, work: Work) -> None:
        number = work.row.id
        if number in self._running:
            # Its lease had ended, and this worker got it again: it goes on with it.
            return
        task = self._running[number] = asyncio.create_task(steps.run(work))
        if work.row.kind is StepKind.SUBMIT:
            self._submitting.add(number)
        task.add_done_callback(partial(self._end, number))

    def _end(self, number: int, task: asyncio.Task[None]) -> None:
        self._running.pop(number, None)
        self._submitting.discard(number)
        self.metrics.count("steps")
        if not task.cancelled() and task.exception() is not None:
            _log.error("a step failed", exc_info=task.exception())

    async def _wait(self, seconds: float) -> None:
        """Wait; a step that ends makes room for the next earlier."""
        if len(self._running) >= self.polls or len(self._submitting) >= self.submissions:
            await asyncio.wait(
                self._running.values(), timeout=_IDLE, return_when=asyncio.FIRST_COMPLETED
            )
            seconds = _BUSY
        await asyncio.sleep(seconds)

    async def _every(self, seconds: float, function: Callable[[], Any]) -> None:
        while True:
            try:
                await asyncio.to_thread(function)
            except LedgerError as error:
                self._note_lost(error)
            except Exception:
                _log.exception("the upkeep of the queue failed, and is tried again")
            await asyncio.sleep(seconds)

    def _beat(self) -> None:
        with self._reader.connection() as connection:
            self._engine.beat(connection, list(self._running))

    def _return_abandoned(self, steps: Steps) -> None:
        """Give back the steps of dead workers, and those that this one could not end."""
        own = list(steps.abandoned)
        with self._reader.connection() as connection:
            self._engine.give_back(connection, own)
            self._engine.return_abandoned(connection, self.lease)
        steps.abandoned.difference_update(own)
        bring_forward_early(self._reader)

    def _sweep(self) -> None:
        self.metrics.count("rows_refilled", sweeper.sweep(self._reader, self._engine))

    def _replay(self, steps: Steps) -> None:
        waiting = steps.spool.count()
        self.metrics.set("outcomes_waiting", waiting)
        if not waiting:
            return
        with self._reader.connection() as connection:
            now = read_clock(connection).time_point()
        self.metrics.count("outcomes_replayed", steps.spool.replay(steps.writes, now))

    async def _watch_database(self) -> None:
        """Notice a database that neither responds nor breaks the connection."""
        while True:
            await asyncio.sleep(_LOST)
            silent = time.monotonic() - self._last_taken
            if silent > self.lease:
                self._note_lost(DatabaseLost(f"the queue's database is silent for {silent:.0f} s"))

    def _note_lost(self, error: LedgerError) -> None:
        if self.metrics.value("database_up"):
            _log.warning("%s; the worker goes on when it can be reached", error)
        self.metrics.set("database_up", 0)


def server_number(connection: Any, base_url: str) -> int:
    """Return the number of an address in the ledger, added if needed."""
    table = f"{SCHEMA}.place"
    connection.execute(
        f"INSERT INTO {table} (text) VALUES (%s) ON CONFLICT DO NOTHING",  # noqa: S608
        [base_url],
    )
    found = connection.execute(f"SELECT id FROM {table} WHERE text = %s", [base_url])  # noqa: S608
    return int(found.fetchone()[0])
