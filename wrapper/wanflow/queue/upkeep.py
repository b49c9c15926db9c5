"""What a worker does beside its steps: it renews its leases, and keeps the queue complete."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow.errors import LedgerError
from wanflow.queue import sweeper
from wanflow.queue.callbacks import bring_forward_early
from wanflow.queue.database import Database, DatabaseLost, DatabaseRefused
from wanflow.queue.work import read_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from wanflow.queue.engine import Engine
    from wanflow.queue.metrics import Metrics
    from wanflow.queue.steps import Steps

_log = logging.getLogger("wanflow")
LOST_INTERVAL = 1.0
"""Seconds between two attempts to reach a database that is lost."""
_RETURN_INTERVAL = 2.0


@define(eq=False)
class Upkeep:
    """Keeps up what the steps of a worker need, over connections of its own.

    A lease that waited for other statements of its worker would end where the database is slow, and
    the worker would be taken for dead. `running` are the queue rows of the steps in progress.
    """

    database: Database
    sweeping: Database
    engine: Engine
    steps: Steps
    lease: float
    running: Callable[[], Collection[int]]
    _last_reached: float = field(factory=time.monotonic, init=False)
    _tasks: list[asyncio.Task[None]] = field(factory=list["asyncio.Task[None]"], init=False)

    def start(self) -> None:
        """Begin."""
        loops = (
            self._every(self.lease / 4, self._beat),
            self._every(_RETURN_INTERVAL, self.return_abandoned),
            self._every(sweeper.SWEEP_INTERVAL, self._sweep),
            self._every(LOST_INTERVAL, self.replay),
            self._watch_database(),
        )
        self._tasks = [asyncio.create_task(one) for one in loops]

    async def stop(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def return_abandoned(self) -> None:
        """Give back the steps of dead workers, and those that this one could not end."""
        own = list(self.steps.abandoned)
        with self.database.connection() as connection:
            self.engine.give_back(connection, own)
            self.engine.return_abandoned(connection, self.lease)
        self.steps.abandoned.difference_update(own)
        bring_forward_early(self.database)

    def replay(self) -> None:
        """Write the outcomes of the spool."""
        spool, metrics = self.steps.spool, self.steps.metrics
        waiting = spool.count()
        metrics.set("outcomes_waiting", waiting)
        if not waiting:
            return
        with self.database.connection() as connection:
            now = read_clock(connection).time_point()
        metrics.count("outcomes_replayed", spool.replay(self.steps.writes, now))

    def note_reached(self) -> None:
        """Note that the database responded."""
        self._last_reached = time.monotonic()
        self.steps.metrics.set("database_up", 1)

    def note_lost(self, error: LedgerError) -> None:
        """Note that the database doesn't respond, or that the worker can't go on with it."""
        if isinstance(error, DatabaseRefused):
            self.steps.refused = error
        else:
            note_lost(self.steps.metrics, error)

    async def _every(self, seconds: float, function: Callable[[], Any]) -> None:
        while True:
            try:
                await asyncio.to_thread(function)
            except LedgerError as error:
                self.note_lost(error)
            except Exception:
                _log.exception("the upkeep of the queue failed, and is tried again")
            await asyncio.sleep(seconds)

    def _beat(self) -> None:
        rows = list(self.running())
        if rows:
            with self.database.connection() as connection:
                self.engine.beat(connection, rows)
            self.note_reached()

    def _sweep(self) -> None:
        # It may take long, and holds nobody up: its connection is made for it, and checked.
        with self.sweeping as database:
            refilled = sweeper.sweep(database, self.engine)
        self.steps.metrics.count("rows_refilled", refilled)

    async def _watch_database(self) -> None:
        """Notice a database that neither responds nor breaks the connection."""
        while True:
            await asyncio.sleep(LOST_INTERVAL)
            silent = time.monotonic() - self._last_reached
            if silent > self.lease:
                self.note_lost(DatabaseLost(f"the queue's database is silent for {silent:.0f} s"))


def note_lost(metrics: Metrics, error: LedgerError) -> None:
    """Note that the database doesn't respond; say so, once."""
    if metrics.value("database_up"):
        _log.warning("%s; the worker goes on when it can be reached", error)
    metrics.set("database_up", 0)
