"""A budget that all processes of a run share: credits and submissions, spent and reserved."""

from __future__ import annotations

import sqlite3
import time
from enum import Enum
from threading import Lock
from typing import TYPE_CHECKING
from weakref import finalize

if TYPE_CHECKING:
    from pathlib import Path

_WAIT = 30.0
_TABLES = """
    CREATE TABLE IF NOT EXISTS budget
    (one INTEGER PRIMARY KEY CHECK (one = 1), spent REAL, reserved REAL,
     submissions INTEGER, pending INTEGER, accepts_invalid INTEGER, understated REAL,
     growth REAL, stopped INTEGER, claimed INTEGER, priced INTEGER);
    INSERT OR IGNORE INTO budget VALUES (1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0);
    CREATE TABLE IF NOT EXISTS prices (model TEXT, asked TEXT, price REAL, UNIQUE (model, asked));
    CREATE TABLE IF NOT EXISTS priced (model TEXT PRIMARY KEY);
"""
_PRECISION = 4
_PAUSE = 0.02


class Decision(Enum):
    """Whether a reservation was made; WAIT if there may be enough once others are settled."""

    RESERVED = "reserved"
    WAIT = "wait"
    TOO_MUCH = "too much"


class SharedBudget:
    """What was spent, what is reserved until a response reports its cost, and prices seen so far.

    With a path it is shared by all processes that open it, otherwise it belongs to one process.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = Lock()
        self._rows = sqlite3.connect(
            path or ":memory:", timeout=_WAIT, isolation_level=None, check_same_thread=False
        )
        # Python warns of a database that nobody closed, since 3.13.
        finalize(self, self._rows.close)
        self._rows.execute("PRAGMA synchronous = OFF")  # it is of no use after the run
        self._rows.executescript(_TABLES)

    @property
    def spent(self) -> float:
        """What all processes have spent."""
        return round(float(self._value("spent")), _PRECISION)

    @property
    def submissions(self) -> int:
        """How many submissions were accepted."""
        return int(self._value("submissions"))

    @property
    def accepts_invalid(self) -> bool:
        """Whether the server accepted a request that must be rejected."""
        return bool(self._value("accepts_invalid"))

    def record_accepted_invalid(self) -> None:
        """Remember for all processes that the server accepted an invalid request."""
        with self._lock:
            self._rows.execute("UPDATE budget SET accepts_invalid = 1")

    @property
    def understated(self) -> float:
        """How many times what its receipt said a task has used, at most; 1 without any that did."""
        return self._value("understated")

    def record_understated(self, times: float) -> None:
        """Remember for all processes that a task has used so many times what its receipt said."""
        with self._lock:
            self._rows.execute("UPDATE budget SET understated = max(understated, ?)", (times,))

    def reserve(self, cost: float, limit: float, most: float) -> Decision:
        """Reserve the cost of one submission.

        Args:
            cost: the maximum cost in credits.
            limit: what may be spent in all.
            most: how many submissions may be accepted in all.
        """
        asked = {"cost": cost, "limit": limit, "most": most}
        with self._lock:
            done = self._rows.execute(
                "UPDATE budget SET reserved = reserved + :cost, pending = pending + 1"
                " WHERE spent + reserved + :cost <= :limit AND submissions + pending < :most"
                " AND NOT stopped",
                asked,
            )
            if done.rowcount == 1:
                return Decision.RESERVED
            (later,) = self._rows.execute(
                "SELECT pending > 0 AND spent + :cost <= :limit AND submissions < :most"
                " AND NOT stopped FROM budget",
                asked,
            ).fetchone()
        return Decision.WAIT if later else Decision.TOO_MUCH

    def left_beside(self, reserved: float, limit: float) -> float:
        """Return what is left, with one's own reservation, if all others cost what they reserve."""
        with self._lock:
            spent, others = self._rows.execute(
                "SELECT spent, max(0, reserved - ?) FROM budget", (reserved,)
            ).fetchone()
        return limit - float(spent) - float(others)

    def settle(self, reserved: float | None, cost: float, submissions: int) -> None:
        """Record what a request cost, in place of what was reserved for it (None: nothing)."""
        with self._lock:
            self._rows.execute(
                "UPDATE budget SET spent = spent + :cost, submissions = submissions + :count,"
                " reserved = iif(pending > :own, max(0, reserved - :was), 0),"
                " pending = max(0, pending - :own)",
                {
                    "cost": max(0.0, cost),
                    "count": submissions,
                    "was": reserved or 0.0,
                    "own": 0 if reserved is None else 1,
                },
            )

    def stop(self, seconds: float) -> tuple[float, int]:
        """Let nothing more be reserved, and return the credits and submissions of all processes.

        What is in flight is waited for; what still is after so many seconds counts as charged.
        """
        with self._lock:
            self._rows.execute("UPDATE budget SET stopped = 1")
        until = time.monotonic() + seconds
        while self._value("pending") and time.monotonic() < until:
            time.sleep(_PAUSE)
        spent = round(self._value("spent + reserved"), _PRECISION)
        return spent, int(self._value("submissions + pending"))

    @property
    def stopped(self) -> bool:
        """Whether nothing more is reserved."""
        return bool(self._value("stopped"))

    def is_priced(self, model: str) -> bool:
        """Return whether it is known what a task of a model costs, or receipts say so."""
        with self._lock:
            (known,) = self._rows.execute(
                "SELECT priced OR EXISTS (SELECT 1 FROM priced WHERE model = ?) FROM budget",
                (model,),
            ).fetchone()
        return bool(known)

    def claim_first(self) -> bool:
        """Return whether this process may submit a task of a model without a known price.

        Others wait until `end_first`.
        """
        with self._lock:
            done = self._rows.execute("UPDATE budget SET claimed = 1 WHERE NOT claimed")
            return done.rowcount == 1

    def end_first(self, model: str = "", *, trusted: bool = False) -> None:
        """Let others submit.

        Args:
            model: the model whose price is known now, if any.
            trusted: whether receipts say what is charged, so that no other model is waited for.
        """
        with self._lock:
            if model:
                self._rows.execute("INSERT OR IGNORE INTO priced VALUES (?)", (model,))
            self._rows.execute("UPDATE budget SET claimed = 0, priced = ?", (trusted,))

    @property
    def growth(self) -> float:
        """How many times its earlier price an equal request has cost, at most."""
        return self._value("growth")

    def add_price(self, model: str, asked: str, price: float, *, grows: bool = False) -> None:
        """Record a price; of several for the same request, the highest is kept.

        With `grows`, a higher one than before shows that prices grow.
        """
        named = {"model": model, "asked": asked, "price": price}
        with self._lock:
            if grows:
                self._rows.execute(
                    "UPDATE budget SET growth = max(growth, ifnull((SELECT :price / price FROM"
                    " prices WHERE model = :model AND asked = :asked AND price > 0), 1))",
                    named,
                )
            self._rows.execute(
                "INSERT INTO prices VALUES (:model, :asked, :price) ON CONFLICT (model, asked)"
                " DO UPDATE SET price = max(price, excluded.price)",
                named,
            )

    def prices(self) -> list[tuple[str, str, float]]:
        """Return all prices as model, request and credits."""
        with self._lock:
            return self._rows.execute("SELECT model, asked, price FROM prices").fetchall()

    def close(self) -> None:
        """Close the file."""
        self._rows.close()

    def _value(self, name: str) -> float:
        with self._lock:
            (value,) = self._rows.execute(f"SELECT {name} FROM budget").fetchone()
        return float(value)
