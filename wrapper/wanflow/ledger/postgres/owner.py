"""Which processes are alive: each holds a lock of the session that writes its jobs.

The server releases the lock when the session ends: with the process, its machine or the network
between. A process that has lost its session owns nothing until it has a new one. It may be sending
a submission meanwhile: unless it is known to be dead, its uncertain jobs stay locked for a while.
"""

from __future__ import annotations

import os
import uuid
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from wanflow.ledger.connection import Connection

_HELD = """
    SELECT classid::bigint << 32 | objid::bigint FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND mode = 'ExclusiveLock'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_INSERT = "INSERT INTO holder (token, process, host) VALUES (?, ?, ?) RETURNING id"
_RENAME = "UPDATE holder SET token = ?, lost = NULL WHERE token = ANY(?) RETURNING id"
# By the server's clock, and from the moment at which the loss was noticed.
_LOST = """
    UPDATE holder SET lost = coalesce(lost, clock_timestamp()) WHERE token = ?
    RETURNING lost > clock_timestamp() - make_interval(secs => ?) AS recent, host, process
"""
_RELEASE = """
    UPDATE job SET holder = NULL WHERE holder = ? AND state NOT IN ('intent', 'uncertain')
"""
QUEUE_OWNER = "queue"
"""The owner of the jobs of a queue, always alive: their workers have leases of their own."""
GRACE = 600.0
"""Seconds for which a process may go on sending a submission after it lost its session."""


def lock_number(name: str) -> int:
    """Return the number of the advisory lock with a name."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True)


@define
class SessionOwner:
    """This process as an owner, by the session that it has now; `id` is None before it is added."""

    id: int | None = None
    grace: float = GRACE
    _tokens: list[str] = field(factory=list[str], repr=False)
    _locked: bool = False

    @property
    def was_added(self) -> bool:
        """Whether this process has ever been an owner."""
        return bool(self._tokens)

    def forget_session(self) -> None:
        """Note that the session ended, and the lock with it."""
        self.id, self._locked = None, False

    def register(self, connection: Connection) -> int:
        """Lock the session, and add this process to the owners; return its id.

        What it owned in an earlier session, and no other process has released, it owns again.
        """
        if not self._locked:
            self._tokens.append(uuid.uuid4().hex)
            connection.execute("SELECT pg_advisory_lock(?)", [lock_number(self._tokens[-1])])
            self._locked = True
        row = connection.execute(_RENAME, [self._tokens[-1], self._tokens]).fetchone()
        if row is None:
            values = [self._tokens[-1], os.getpid(), this_host()]
            row = connection.execute(_INSERT, values).fetchone()
        self.id = int(row[0])
        return self.id

    def unregister(self, connection: Connection) -> None:
        """Remove this process from the owners, and so release its jobs."""
        connection.execute("DELETE FROM holder WHERE token = ANY(?)", [self._tokens])

    def is_alive(self, connection: Connection, token: str, *, uncertain: bool) -> bool:
        """Return whether an owner's session lives, or the owner may; if not `uncertain`, the first.

        This process itself is alive.
        """
        if token == QUEUE_OWNER or token in self._tokens:
            return True
        if lock_number(token) in _held(connection):
            return True
        return uncertain and self._may_live(connection, token)

    def release_dead(self, connection: Connection) -> None:
        """Remove the owners that are dead, and release the other jobs of those that may live."""
        owners = connection.execute("SELECT id, token FROM holder").fetchall()
        held = _held(connection)
        for number, token in owners:
            if token in {QUEUE_OWNER, *self._tokens} or lock_number(token) in held:
                continue
            if self._may_live(connection, token):
                connection.execute(_RELEASE, [number])
            else:
                connection.execute("DELETE FROM holder WHERE token = ?", [token])

    def _may_live(self, connection: Connection, token: str) -> bool:
        """Return whether an owner without a session may be alive, from now on for a while."""
        row = connection.execute(_LOST, [token, self.grace]).fetchone()
        return row is not None and row["recent"] and not is_dead(row["host"], row["process"])


def this_host() -> str | None:
    """Return what the processes of this machine or container share; None if that is unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def is_dead(host: str | None, process: int) -> bool:
    """Return whether a process is known to have ended."""
    if host is None or host != this_host():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _held(connection: Connection) -> set[int]:
    return {_signed(number) for (number,) in connection.execute(_HELD)}


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number
