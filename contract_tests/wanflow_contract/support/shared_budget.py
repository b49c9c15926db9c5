"""A budget that all processes of a run share: credits spent and credits reserved."""

from __future__ import annotations

import sqlite3
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_WAIT = 30.0
_TABLE = """
    CREATE TABLE IF NOT EXISTS budget
    (one INTEGER PRIMARY KEY CHECK (one = 1), spent REAL, reserved REAL)
"""
_PRECISION = 4


class SharedBudget:
    """Credits that were spent, and those reserved until a response reports the cost.

    With a path it is shared by all processes that open it, otherwise it belongs to one process.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = Lock()
        self._rows = sqlite3.connect(
            path or ":memory:", timeout=_WAIT, isolation_level=None, check_same_thread=False
        )
        self._rows.execute(_TABLE)
        self._rows.execute("INSERT OR IGNORE INTO budget VALUES (1, 0, 0)")

    @property
    def spent(self) -> float:
        """What all processes have spent."""
        with self._lock:
            (spent,) = self._rows.execute("SELECT spent FROM budget").fetchone()
        return round(float(spent), _PRECISION)

    def reserve(self, cost: float, limit: float) -> bool:
        """Reserve the cost of a request; return False if the total would exceed the limit."""
        with self._lock:
            done = self._rows.execute(
                "UPDATE budget SET reserved = reserved + :cost"
                " WHERE spent + reserved + :cost <= :limit",
                {"cost": cost, "limit": limit},
            )
            return done.rowcount == 1

    def settle(self, reserved: float, cost: float) -> None:
        """Record what a request cost in place of what was reserved for it."""
        with self._lock:
            self._rows.execute(
                "UPDATE budget SET reserved = max(0, reserved - ?), spent = spent + ?",
                (reserved, cost),
            )

    def close(self) -> None:
        """Close the file."""
        self._rows.close()
