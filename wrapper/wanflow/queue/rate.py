"""One rate of calls for all workers of a key: a token bucket in the database, leased in slices."""

from __future__ import annotations

import math
import time
from asyncio import Lock, sleep
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow._config import DEFAULT_POLL_RATE, MAX_POLL_RATE
from wanflow._core.rate_limiter import bounded_pause
from wanflow.queue.engine import SCHEMA
from wanflow.queue.work import NOW

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wanflow.queue.database import Database

SLICE = 0.25
"""Seconds between two leases of a worker, each of which is for about so long."""
_MIN_RATE = 0.2
_GROWTH = 1.02
_CALM = 10.0
"""Seconds without a 429 after which the rate grows again."""
_ADD = f"""
    INSERT INTO {SCHEMA}.rate (server, key, per_second, filled)
    VALUES (%(server)s, %(key)s, %(rate)s, {NOW})
    ON CONFLICT DO NOTHING
"""  # noqa: S608 - our own names
# A 429 in the future shows that the clock was set back: nobody knows how long its pause would be.
_SET_BACK = f"slowed > {NOW} + 1"
# What is wanted and not there makes the rate grow, as long as no 429 came.
_LEASE = f"""
    UPDATE {SCHEMA}.rate AS rate SET
        filled = old.now,
        tokens = old.tokens - old.granted,
        slowed = old.slowed,
        paused_until = old.paused_until,
        per_second = CASE WHEN old.granted < %(waiting)s AND old.now > old.slowed + %(calm)s
                AND old.now > old.paused_until
            THEN least(greatest(rate.per_second, %(max)s), rate.per_second * %(growth)s)
            ELSE rate.per_second END
    FROM (
        SELECT server, key, now, tokens, slowed, paused_until,
            CASE WHEN now < paused_until THEN 0 ELSE least(%(wanted)s, floor(tokens)) END AS granted
        FROM (
            SELECT server, key, {NOW} AS now,
                CASE WHEN {_SET_BACK} THEN 0 ELSE slowed END AS slowed,
                CASE WHEN {_SET_BACK} THEN 0 ELSE paused_until END AS paused_until, least(
                greatest(1, per_second * %(slice)s * 2),
                tokens + per_second * greatest(0, {NOW} - filled)
            ) AS tokens
            FROM {SCHEMA}.rate WHERE server = %(server)s AND key = %(key)s FOR UPDATE
        ) AS bucket
    ) AS old
    WHERE rate.server = old.server AND rate.key = old.key
    RETURNING old.granted::float8, greatest(0, old.paused_until - old.now), rate.per_second
"""  # noqa: S608 - our own names
_SLOW_DOWN = f"""
    UPDATE {SCHEMA}.rate SET
        per_second = CASE WHEN slowed < {NOW} - 1 OR {_SET_BACK}
            THEN greatest(%(min)s, per_second / 2) ELSE per_second END,
        slowed = {NOW}, tokens = 0, paused_until = greatest(
            CASE WHEN {_SET_BACK} THEN 0 ELSE paused_until END, {NOW} + %(pause)s
        )
    WHERE server = %(server)s AND key = %(key)s
"""  # noqa: S608


class RateStopped(Exception):
    """The worker ends, so no call begins any more."""


def key_hash(header: str) -> bytes:
    """Return what names a key in the database, from which the key can't be computed."""
    return sha256(b"wanflow rate\n" + header.encode()).digest()[:16]


@define(eq=False)
class SharedRate:
    """The rate of one key at one server; `run` runs a blocking function in a thread.

    Everything else runs in the event loop. A worker makes at most four leases a second.
    """

    database: Database
    server: int
    key: bytes = field(repr=False)
    run: Callable[[Callable[[], Any]], Awaitable[Any]] = field(repr=False)
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], Awaitable[object]] = sleep
    per_second: float = DEFAULT_POLL_RATE
    _tokens: float = 0.0
    _next_lease: float = 0.0
    _waiting: int = 0
    _slowed: int = 0
    """How often the rate was slowed down here."""
    _stopped: bool = False
    _lock: Lock = field(factory=Lock, repr=False)

    async def acquire(self) -> None:
        """Wait for a call's turn.

        Raises:
            DatabaseLost: the database can't be reached.
            RateStopped: the worker ends.
        """
        self._waiting += 1
        try:
            async with self._lock:
                while self._tokens < 1 and not self._stopped:
                    await self._lease()
                if self._stopped:
                    raise RateStopped
                self._tokens -= 1
        finally:
            self._waiting -= 1

    def stop(self) -> None:
        """Let no call begin any more."""
        self._stopped = True

    async def slow_down(self, retry_after: float | None) -> None:
        """Halve the rate of all workers, and let them pause as long as the server asked for."""
        self._tokens = 0.0
        self._slowed += 1
        pause = 1.0 if retry_after is None else bounded_pause(retry_after)
        values = {**self._names, "min": _MIN_RATE, "pause": pause}

        def write() -> None:
            with self.database.connection() as connection:
                connection.execute(_SLOW_DOWN, values)

        await self.run(write)

    async def _lease(self) -> None:
        delay = self._next_lease - self.clock()
        if delay > 0:
            await self.pause(delay)
        wanted, waiting = math.ceil(self.per_second * SLICE), self._waiting
        slowed = self._slowed
        granted, paused, self.per_second = await self.run(lambda: self._read(wanted, waiting))
        # What was granted before a 429 came isn't used after it.
        self._tokens = granted if slowed == self._slowed else 0.0
        missing = 1 / self.per_second if granted < 1 else 0.0
        self._next_lease = self.clock() + max(SLICE, min(paused, 5.0), missing)

    def _read(self, wanted: int, waiting: int) -> tuple[float, float, float]:
        values = {
            **self._names,
            "wanted": wanted,
            "waiting": waiting,
            "calm": _CALM,
            "max": MAX_POLL_RATE,
            "growth": _GROWTH,
            "slice": SLICE,
        }
        with self.database.connection() as connection:
            found = connection.execute(_LEASE, values).fetchone()
            if found is None:
                connection.execute(_ADD, {**self._names, "rate": DEFAULT_POLL_RATE})
                found = connection.execute(_LEASE, values).fetchone()
        assert found is not None
        return found[0], found[1], found[2]

    @property
    def _names(self) -> dict[str, Any]:
        return {"server": self.server, "key": self.key}
