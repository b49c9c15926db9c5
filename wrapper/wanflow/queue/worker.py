"""A worker: takes due steps, runs many of them concurrently, and leaves nothing when it stops."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow._base_client import operations_of
from wanflow._runtime.shield import run_shielded_async
from wanflow.batch.models import StopSignal
from wanflow.errors import ConfigurationError, LedgerError
from wanflow.queue import schema
from wanflow.queue.database import Database, DatabaseLost, DatabaseRefused
from wanflow.queue.engine import SCHEMA, Engine, StepKind
from wanflow.queue.health import serve_metrics
from wanflow.queue.metrics import Metrics
from wanflow.queue.rate import SharedRate, key_hash
from wanflow.queue.restore import Memory
from wanflow.queue.spool import Spool, default_folder
from wanflow.queue.steps import RESEND_WINDOW, Steps
from wanflow.queue.upkeep import LOST_INTERVAL, Upkeep, note_lost
from wanflow.queue.work import Work, load, read_clock
from wanflow.queue.worker_clock import WorkerClock
from wanflow.queue.writes import Writes

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg import Connection

    from wanflow._base_client import BaseClient
    from wanflow._runtime.driver import AsyncDriver
    from wanflow.queue.engine import QueueRow

_log = logging.getLogger("wanflow")
DEFAULT_SUBMISSIONS = 8
DEFAULT_POLLS = 100
DEFAULT_LEASE = 30.0
_IDLE = 0.25
"""Seconds between two checks for due steps while there are none."""
_BUSY = 0.01
_AHEAD = 2
"""How many times as many submissions are taken as are in flight: the others wait for their turn."""
_LIMIT = 20.0
"""Seconds after which a database that doesn't respond counts as lost: longer than it lets a stalled
transaction hold a lock, and shorter than a lease."""
_LEASE_SHARE = 2 / 3
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
    _other_writer: Database = field(init=False, repr=False)
    _upkeep: Database = field(init=False, repr=False)
    _sweeping: Database = field(init=False, repr=False)
    _memory: Memory = field(init=False, repr=False)
    _clock: WorkerClock = field(init=False, repr=False)
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
            schema.require_workable(database)
        self._memory = Memory(self.spool or default_folder(), self.lease)
        limit = min(_LIMIT, self.lease * _LEASE_SHARE)
        self._reader, self._writer, self._other_writer = (
            Database(self.queue, limit=limit, check=self._check) for _ in range(3)
        )
        self._sweeping = Database(self.queue, check=self._check)
        # It sends nothing, and a lease that is renewed after a check may have ended.
        self._upkeep = Database(self.queue, limit=limit)

    def _check(self, connection: Connection[Any]) -> None:
        schema.check_workable(connection)
        self._memory.check(connection)

    def run(self, stop: StopSignal | None = None) -> None:
        """Run steps until `stop` is set; those in flight are then finished."""
        asyncio.run(self.run_async(stop))

    async def run_async(self, stop: StopSignal | None = None) -> None:
        """Do the same in a running event loop.

        A cancellation waits for what is in flight, as `stop` does; a second one doesn't.
        """
        given = stop or StopSignal()

        def end(_: BaseException) -> bool:
            given.set()
            return False

        await run_shielded_async(partial(self._run, given), end)

    async def _run(self, stop: StopSignal) -> None:
        try:
            steps = await self._prepared(stop)
            if steps is None:
                return
            async with serve_metrics(
                self.metrics, self.metrics_host, self.metrics_port
            ) as self.metrics_address:
                await self._serve(steps, stop)
        except DatabaseRefused as error:
            raise ConfigurationError(str(error)) from error
        finally:
            await operations_of(self.client)[2].close()
            self._give_up()
            for database in self._databases:
                database.close()

    async def _prepared(self, stop: StopSignal) -> Steps | None:
        """Prepare, and wait for a database that is lost; None if it was stopped meanwhile."""
        while not stop.is_set:
            try:
                return await asyncio.to_thread(self._prepare)
            except DatabaseRefused:
                raise
            except DatabaseLost as error:
                note_lost(self.metrics, error)
                await asyncio.sleep(LOST_INTERVAL)
        return None

    def _prepare(self) -> Steps:
        config, operations, driver = operations_of(self.client)
        spool = Spool(self._memory.folder)
        with self._reader.connection() as connection:
            server = server_number(connection, config.base_url)
            self._clock = WorkerClock(read_clock(connection))
        rate = SharedRate(
            self._reader, server, key_hash(config.key.header()["authorization"]), asyncio.to_thread
        )
        return Steps(
            operations.with_recorder,
            driver.with_clock(self._clock),
            Writes(self._writer, self._engine, self._memory),
            Writes(self._other_writer, self._engine),
            rate,
            spool,
            self.metrics,
            self.lease + config.timeout,
            asyncio.Semaphore(self.submissions),
            self.window,
            lease=self.lease,
        )

    async def _serve(self, steps: Steps, stop: StopSignal) -> None:
        upkeep = Upkeep(
            self._upkeep, self._sweeping, self._engine, steps, self.lease, self._running.keys
        )
        upkeep.start()
        try:
            while not stop.is_set and steps.refused is None:
                await self._wait(await self._start_due(steps, upkeep))
            await self._drain(steps, upkeep)
            if steps.refused is not None:
                raise steps.refused
        finally:
            await upkeep.stop()
            steps.writes.close()
            steps.other_writes.close()

    async def _drain(self, steps: Steps, upkeep: Upkeep) -> None:
        """Finish what was sent, and leave the rest to other workers."""
        steps.rate.stop()
        while self._running:
            await asyncio.wait(self._running.values())
        try:
            await asyncio.to_thread(upkeep.replay)
            await asyncio.to_thread(upkeep.return_abandoned)
            await asyncio.to_thread(self._leave_mark)
        except LedgerError as error:
            _log.warning("what could not be written is left in the spool: %s", error)

    def _leave_mark(self) -> None:
        """Remember the database as it is after the last submission."""
        with self._reader.connection() as connection:
            self._memory.check(connection)

    async def _start_due(self, steps: Steps, upkeep: Upkeep) -> float:
        """Start the steps that are due, as many as fit; return the seconds until the next check."""
        try:
            works = await asyncio.to_thread(self._take, steps)
        except LedgerError as error:
            upkeep.note_lost(error)
            return LOST_INTERVAL
        upkeep.note_reached()
        for work in works:
            self._clock.database = work.clock
            self._start(steps, work)
        self.metrics.set("steps_in_flight", len(self._running))
        self.metrics.set("rate_per_second", steps.rate.per_second)
        return _BUSY if works else _IDLE

    def _take(self, steps: Steps) -> list[Work]:
        server = steps.rate.server
        others = self.polls - (len(self._running) - len(self._submitting))
        submissions = _AHEAD * self.submissions - len(self._submitting)
        rows: list[QueueRow] = []
        with self._reader.connection() as connection:
            if others > 0:
                rows += self._engine.take(connection, _OTHERS, server, others)
            if submissions > 0 and self._memory.settled:
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
        if len(self._running) >= self.polls or len(self._submitting) >= _AHEAD * self.submissions:
            await asyncio.wait(
                self._running.values(), timeout=_IDLE, return_when=asyncio.FIRST_COMPLETED
            )
            seconds = _BUSY
        await asyncio.sleep(seconds)

    @property
    def _databases(self) -> tuple[Database, ...]:
        return self._reader, self._writer, self._other_writer, self._upkeep, self._sweeping

    def _give_up(self) -> None:
        """Let no thread wait for a database any more."""
        for database in self._databases:
            database.give_up()


def server_number(connection: Any, base_url: str) -> int:
    """Return the number of an address in the ledger, added if needed."""
    table = f"{SCHEMA}.place"
    connection.execute(
        f"INSERT INTO {table} (text) VALUES (%s) ON CONFLICT DO NOTHING",  # noqa: S608
        [base_url],
    )
    found = connection.execute(f"SELECT id FROM {table} WHERE text = %s", [base_url])  # noqa: S608
    return int(found.fetchone()[0])
