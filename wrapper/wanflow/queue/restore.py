"""A queue that was restored from a backup: what is planned in it may have been paid for."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID, uuid4

import psycopg
from attrs import define, field, frozen

from wanflow import _regular_file as regular_file
from wanflow.errors import ConfigurationError
from wanflow.queue.database import DatabaseLost
from wanflow.queue.engine import SCHEMA
from wanflow.queue.schema import ORIGIN, RESTORED, VERSION_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from psycopg import Connection

    from wanflow.queue.database import Database

# Whatever was planned or was to be sent again may have been sent since the backup.
_UNCERTAIN = f"""
    UPDATE {SCHEMA}.job AS job SET state = 'uncertain', step = job.step + 1, resend = false,
        reason = 'restored from a backup',
        reserved = CASE WHEN job.state = 'uncertain' THEN job.reserved
            WHEN batch.max_credits IS NOT NULL THEN 0 END
    FROM {SCHEMA}.batch AS batch
    WHERE batch.id = job.batch AND (job.state = 'planned' OR job.state = 'uncertain' AND job.resend)
"""  # noqa: S608
# What workers remember is of the queue before.
_GO_ON = f"""
    WITH forgotten AS (DELETE FROM {SCHEMA}.mark)
    UPDATE {VERSION_TABLE} SET origin = ({ORIGIN}), queue = gen_random_uuid()
"""  # noqa: S608
_MARKS = f"{SCHEMA}.mark"
_HAS_MARK = f"SELECT EXISTS (SELECT FROM {_MARKS} WHERE worker = %s AND number >= %s)"  # noqa: S608
_MAKE_MARK = f"""
    INSERT INTO {_MARKS} AS mark VALUES (%s, 1)
    ON CONFLICT (worker) DO UPDATE SET number = mark.number + 1
    RETURNING number, pg_postmaster_start_time()
"""  # noqa: S608 - proxies may pass on what only reads to another server
# By this, each transaction that lets jobs be sent asks whether the database is still the same.
_SAME = f"""
    RETURNING (SELECT queue FROM {VERSION_TABLE}), worker, number,
        (SELECT origin IS NOT DISTINCT FROM ({ORIGIN}) FROM {VERSION_TABLE})
"""  # noqa: S608
_FIRST_MARK = f"INSERT INTO {_MARKS} VALUES (%s, 1) {_SAME}"  # noqa: S608
_NEXT_MARK = f"""
    UPDATE {_MARKS} SET number = number + 1 WHERE worker = %s AND number >= %s {_SAME}
"""  # noqa: S608
_MAX_SIZE = 100
_Mark: TypeAlias = "tuple[UUID, int]"
_log = logging.getLogger("wanflow")


def acknowledge_restore(database: Database) -> int:
    """Let workers go on after a restore from a backup; return how many jobs are uncertain now.

    These are all that were planned: they may have been sent since the backup.
    """

    def write(connection: Connection[Any]) -> int:
        count = connection.execute(_UNCERTAIN.encode()).rowcount
        connection.execute(_GO_ON.encode())
        return count

    return database.transact(write)


@frozen(eq=False)
class IntentsMark:
    """A mark in a transaction with intents, the connection that made it, and the queue."""

    connection: Connection[Any]
    queue: str
    mark: _Mark


@define(eq=False)
class Memory:
    """What a worker remembers of its queue, so that it finds out that the database is older.

    Each check leaves a mark in the database, and then in a folder, which processes may share. Each
    transaction with intents leaves one that this process remembers. A database that lacks a mark is
    a restored base backup or snapshot, or a standby that lacked commits. Only the process that made
    a mark makes later ones in its name, so no other work hides what is missing.
    """

    folder: Path
    settling: float = 30.0
    """Seconds for which nothing is sent with another server, or one that was started again. Within
    a lease each worker that lives notices that it lost the old one, and checks the new one."""
    _worker: UUID = field(factory=uuid4, init=False)
    _own: tuple[str, _Mark] | None = field(default=None, init=False)
    """The last mark of this process, and the queue that has it."""
    _intents: IntentsMark | None = field(default=None, init=False)
    """The last one that was committed. Each connection has marks in a name of its own, so that none
    waits for an earlier one whose transaction has no end yet."""
    _server: Any = field(default=None, init=False)
    _settled: float = field(default=0.0, init=False)
    _warned: bool = field(default=False, init=False)

    def check(self, connection: Connection[Any]) -> None:
        """Check that the database has what is remembered, and leave a mark.

        Raises:
            ConfigurationError: it lacks something; other workers refuse it from now on, too.
        """
        queue = str(_value(connection, f"SELECT queue FROM {VERSION_TABLE}"))  # noqa: S608
        path = self.folder / f"{queue}.mark"
        for mark in self._remembered(queue, path):
            if not _value(connection, _HAS_MARK, *mark):
                connection.execute(f"UPDATE {VERSION_TABLE} SET origin = ''")  # noqa: S608
                raise ConfigurationError(RESTORED)
        # The database first: what is remembered was committed.
        number, server = _row(connection, _MAKE_MARK, self._worker)
        self._own = (queue, (self._worker, number))
        self._store(path, (self._worker, number))
        self._note_server(server)

    @property
    def settled(self) -> bool:
        """Whether other workers had the time to check the database."""
        return time.monotonic() >= self._settled

    def require_settled(self) -> None:
        """Check that other workers had the time to check the database.

        Raises:
            DatabaseLost: they hadn't.
        """
        if not self.settled:
            raise DatabaseLost("the database was started again, and other workers check it first")

    def mark_intents(self, connection: Connection[Any]) -> IntentsMark:
        """Leave a mark in a transaction with intents, to be remembered once that is committed.

        Raises:
            psycopg.OperationalError: the database isn't the one that was checked. The connection is
                closed, so the next one is checked.
        """
        if self._intents is not None and self._intents.connection is connection:
            found = connection.execute(_NEXT_MARK.encode(), self._intents.mark).fetchone()
        else:
            found = connection.execute(_FIRST_MARK.encode(), [uuid4()]).fetchone()
        if found is None or not found[-1]:
            connection.close()
            raise psycopg.OperationalError("it isn't the database that was checked")
        queue, worker, number, _ = found
        return IntentsMark(connection, str(queue), (worker, number))

    def remember_intents(self, mark: IntentsMark) -> None:
        """Remember a mark of intents that was committed."""
        self._intents = mark

    def _note_server(self, server: Any) -> None:
        if self._server is not None and self._server != server:
            _log.warning(
                "the database was started again, or it is another one: nothing is sent for %.0f s, "
                "in which other workers check it",
                self.settling,
            )
            self._settled = time.monotonic() + self.settling
        self._server = server

    def _remembered(self, queue: str, path: Path) -> Iterator[_Mark]:
        if self._own is not None and self._own[0] == queue:
            yield self._own[1]
        if self._intents is not None and self._intents.queue == queue:
            yield self._intents.mark
        try:
            worker, number = regular_file.read(path, _MAX_SIZE).decode().split()
            yield UUID(worker), int(number)
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            self._warn(path, "read", error)

    def _store(self, path: Path, mark: _Mark) -> None:
        try:
            regular_file.make_folder(self.folder)
            regular_file.write_atomically(path, "{} {}\n".format(*mark).encode(), durable=True)
        except OSError as error:
            self._warn(path, "written", error)

    def _warn(self, path: Path, what: str, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            reason = getattr(error, "strerror", None) or "it is damaged"
            _log.warning(
                "the mark in %s can't be %s (%s), so a database that is restored from a backup may "
                "not be noticed by it",
                path,
                what,
                reason,
            )


def _value(connection: Connection[Any], query: str, *values: Any) -> Any:
    return _row(connection, query, *values)[0]


def _row(connection: Connection[Any], query: str, *values: Any) -> tuple[Any, ...]:
    found: tuple[Any, ...] | None = connection.execute(query.encode(), values).fetchone()
    assert found is not None
    return found
