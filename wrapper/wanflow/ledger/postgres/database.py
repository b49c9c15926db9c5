"""A ledger's database in PostgreSQL: its sessions, its transactions and what becomes of them."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from wanflow._database_url import without_password
from wanflow.ledger.postgres import errors
from wanflow.ledger.postgres.connection import PostgresConnection, connect
from wanflow.ledger.postgres.owner import SessionOwner, lock_number
from wanflow.ledger.postgres.pooler import require_session
from wanflow.ledger.postgres.schema import migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wanflow.ledger.connection import Connection
    from wanflow.ledger.postgres.connection import RawConnection

T = TypeVar("T")

_RETRY_TIMEOUT = 30.0
"""Seconds for which a server that was lost is tried again."""
_MAX_DELAY = 1.0
_BEGIN = """
    BEGIN ISOLATION LEVEL READ COMMITTED;
    SET LOCAL synchronous_commit = {};
    SELECT pg_current_xact_id()::text
"""
# The column is that of a queue, which the database needn't have.
_LOCK_JOBS = """
    SELECT id, to_jsonb(job) ->> 'batch' IS NOT NULL AS queued FROM job
    WHERE id = ANY(?) ORDER BY id FOR UPDATE
"""
_STATUS = "SELECT pg_xact_status(%s::xid8)"


class PostgresDatabase:
    """The database at a URL; its tables are created if needed.

    Raises:
        LedgerError: it can't be reached, or its tables are of a newer version.
    """

    def __init__(self, url: str, *, retry_timeout: float = _RETRY_TIMEOUT) -> None:
        self._url, self.name = url, without_password(url)
        self._retry_timeout = retry_timeout
        self._process = os.getpid()
        self._closed = False
        self._reader_lock = Lock()
        self._reader: PostgresConnection | None = None
        self._owner = SessionOwner()
        # Which transaction was begun, so that its end can be known after the session.
        self._transaction: str | None = None
        try:
            self.connection = self._open()
        except psycopg.Error as error:
            raise self.translate(error) from None

    def _open(self) -> PostgresConnection:
        raw = connect(self._url)
        try:
            require_session(raw, self._url)
            migrate(raw, self.name)
        except BaseException:
            raw.close()
            raise
        return PostgresConnection(raw)

    def begin(self, *, durable: bool) -> None:
        """Begin a transaction, in a new session if the last one was lost."""
        query = _BEGIN.format("on" if durable else "off").encode()
        self._transaction = self._persistently(
            lambda raw: _last_value(raw.execute(query, prepare=False))
        )
        if self._owner.was_added and self._owner.id is None:
            self._owner.register(self.connection)

    def _persistently(self, function: Callable[[RawConnection], T]) -> T:
        """Call a function with the session that writes; again, in a new one, if that was lost.

        Raises:
            Unreachable: there has been no new session for too long.
        """
        window = _RetryWindow(self._retry_timeout)
        while True:
            self._check_open()
            try:
                if self._raw.closed:
                    self._owner.forget_session()
                    self.connection = self._open()
                return function(self._raw)
            except psycopg.OperationalError as error:
                if not self._is_lost(error):
                    raise
                window.wait_after(error)

    def _is_lost(self, error: BaseException) -> bool:
        """Return whether an error ended the session that writes."""
        if isinstance(error, psycopg.Error) and errors.ends_session(error):
            self._raw.close()
        return isinstance(error, psycopg.OperationalError) and self._raw.closed

    def check_transaction(self) -> None:
        """Check that the transaction is open."""
        if self._raw.pgconn.transaction_status != TransactionStatus.INTRANS:
            raise psycopg.errors.InFailedSqlTransaction("the transaction was rolled back")

    def commit(self) -> None:
        """Commit the transaction; after a lost connection, find out whether that succeeded."""
        try:
            self._raw.execute("COMMIT", prepare=False)
        except psycopg.OperationalError as error:
            if not self._is_lost(error):
                raise
            if not self._was_committed():
                raise errors.ConnectionLost(str(error)) from error

    def _was_committed(self) -> bool:
        try:
            return self._persistently(self._has_committed)
        except psycopg.errors.InvalidParameterValue:
            # This server, a standby until then, has never had the transaction.
            return False
        except psycopg.OperationalError as error:
            raise errors.CommitUnknown(str(error)) from error

    def _has_committed(self, raw: RawConnection) -> bool:
        window = _RetryWindow(self._retry_timeout)
        while True:
            status = _last_value(raw.execute(_STATUS, [self._transaction]))
            if status != "in progress":
                return status == "committed"
            # The server hasn't noticed yet that the connection was lost.
            window.wait_after(psycopg.OperationalError("the commit hasn't ended"))

    def roll_back(self) -> None:
        """Roll the transaction back, if there is one."""
        with suppress(psycopg.Error):
            if self._raw.info.transaction_status != TransactionStatus.IDLE:
                self._raw.execute("ROLLBACK")

    def fails_all(self, error: BaseException) -> bool:
        """Return whether an error concerns the database, not only the value to be written."""
        return errors.fails_all(error)

    def may_repeat(self, error: BaseException) -> bool:
        """Return whether the transaction was lost with its session, or by a conflict."""
        if isinstance(error, errors.Unreachable | errors.CommitUnknown):
            return False
        repeatable = isinstance(error, errors.ConnectionLost) or errors.is_conflict(error)
        return repeatable or self._is_lost(error)

    def make_room(self, error: BaseException) -> bool:  # noqa: ARG002 - of a Database
        """Return False: the server's disk isn't this process's."""
        return False

    def read(self, read: Callable[[PostgresConnection], T]) -> T:
        """Call a function that only reads; again in a new session if it was lost."""
        window = _RetryWindow(self._retry_timeout)
        with self._reader_lock:
            while True:
                self._check_open()
                try:
                    if self._reader is None:
                        self._reader = PostgresConnection(connect(self._url))
                    return read(self._reader)
                except psycopg.OperationalError as error:
                    self._forget_reader(error)
                    window.wait_after(error)

    def _forget_reader(self, error: psycopg.Error) -> None:
        """Forget the session that reads if it ended; raise the error if it didn't."""
        if self._reader is not None:
            if not (self._reader.raw.closed or errors.ends_session(error)):
                raise error
            self._reader.raw.close()
            self._reader = None

    def prepare(self) -> None:
        """Do nothing."""

    def check(self) -> None:
        """Do nothing: the commit itself fails where a submission can't be recorded."""

    @property
    def owner_id(self) -> int | None:
        """The id of this process as an owner in this session."""
        return self._owner.id

    def register_owner(self) -> int:
        """Add this process to the owners."""
        return self._owner.register(self.connection)

    def forget_owner(self) -> None:
        """Note that the registration was rolled back."""
        self._owner.id = None

    def unregister_owner(self) -> Callable[[], object]:
        """Remove this process from the owners, and so release its jobs; return what undoes it."""
        self._owner.unregister(self.connection)
        restore = partial(setattr, self._owner, "id", self._owner.id)
        self._owner.id = None
        return restore

    def is_alive(self, connection: Connection, token: str, *, uncertain: bool) -> bool:
        """Return whether an owner may work on a job, which may be uncertain."""
        return self._owner.is_alive(connection, token, uncertain=uncertain)

    def release_dead(self) -> None:
        """Remove the owners whose sessions have ended."""
        self._owner.release_dead(self.connection)

    def lock_jobs(self, ids: Sequence[int]) -> set[int]:
        """Lock jobs, in the order of their ids; return those that no worker of a queue may have."""
        rows = self.connection.execute(_LOCK_JOBS, [list(ids)]).fetchall()
        return {number for number, queued in rows if not queued}

    def lock(self, name: str) -> None:
        """Wait for the advisory lock with a name, and hold it until the commit."""
        self.connection.execute("SELECT pg_advisory_xact_lock(?)", [lock_number(name)])

    def translate(self, error: BaseException) -> BaseException:
        """Return a LedgerError in place of an error of PostgreSQL."""
        return errors.translate(error, self.name)

    def __del__(self) -> None:
        # A ledger that nobody closed.
        if hasattr(self, "connection"):
            self.close()

    def close(self) -> None:
        """Close the sessions. In a forked child, they are the parent's."""
        if os.getpid() != self._process:
            return
        self._closed = True
        for connection in (self.connection, self._reader):
            if connection is not None:
                connection.raw.close()

    def _check_open(self) -> None:
        if self._closed:
            raise psycopg.InterfaceError("the ledger is closed")

    @property
    def _raw(self) -> RawConnection:
        return self.connection.raw


class _RetryWindow:
    """Waits between attempts, a little longer each time, until its time is over."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._delay = 0.02

    def wait_after(self, error: psycopg.Error) -> None:
        """Wait.

        Raises:
            Unreachable: the time is over.
        """
        if time.monotonic() + self._delay > self._until:
            raise errors.Unreachable(str(error)) from error
        time.sleep(self._delay)
        self._delay = min(2 * self._delay, _MAX_DELAY)


def _last_value(cursor: psycopg.Cursor[Any]) -> str:
    while cursor.nextset():
        pass
    return str(cursor.fetchall()[0][0])
