"""A till that all processes of a run pay from: what is spent, and what is held."""

from __future__ import annotations

import sqlite3
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_WAIT = 30.0
_TABLE = """
    CREATE TABLE IF NOT EXISTS till (one INTEGER PRIMARY KEY CHECK (one = 1), spent REAL, held REAL)
"""
_PRECISION = 4


class Till:
    """Credits that were spent, and those that are held until an answer says what it cost.

    With a path it is shared by all processes that open it, else it is one process's own.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = Lock()
        self._rows = sqlite3.connect(
            path or ":memory:", timeout=_WAIT, isolation_level=None, check_same_thread=False
        )
        self._rows.execute(_TABLE)
        self._rows.execute("INSERT OR IGNORE INTO till VALUES (1, 0, 0)")

    @property
    def spent(self) -> float:
        """What was spent by all."""
        with self._lock:
            (spent,) = self._rows.execute("SELECT spent FROM till").fetchone()
        return round(float(spent), _PRECISION)

    def hold(self, cost: float, limit: float) -> bool:
        """Hold what a request may cost; False where that, with all else, would pass the limit."""
        with self._lock:
            done = self._rows.execute(
                "UPDATE till SET held = held + :cost WHERE spent + held + :cost <= :limit",
                {"cost": cost, "limit": limit},
            )
            return done.rowcount == 1

    def settle(self, held: float, cost: float) -> None:
        """Enter what a request cost in place of what was held for it."""
        with self._lock:
            self._rows.execute(
                "UPDATE till SET held = max(0, held - ?), spent = spent + ?", (held, cost)
            )

    def close(self) -> None:
        """Close the file."""
        self._rows.close()
