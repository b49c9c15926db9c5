"""The clock of a worker's requests and files: its time of day is that of the database."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from wanflow._core.effects import TimePoint
from wanflow._runtime.context import SystemClock

if TYPE_CHECKING:
    from wanflow.queue.work import DatabaseClock


class WorkerClock(SystemClock):
    """Has the time of the database, as it was last read: no worker's own clock counts."""

    def __init__(self, database: DatabaseClock) -> None:
        self.database = database

    def now(self) -> TimePoint:
        """Read both clocks."""
        return TimePoint(time.monotonic(), self.database.now())
