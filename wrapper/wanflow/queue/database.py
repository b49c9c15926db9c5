"""The connections of a queue to its database, and the errors of a database that is lost."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from threading import RLock
from typing import TYPE_CHECKING, Any, Self, TypeVar

import psycopg
from attrs import define, field

from wanflow.errors import ConfigurationError, LedgerError
from wanflow.ledger.postgres import errors
from wanflow.ledger.postgres.connection import conninfo
from wanflow.queue.limited_connection import LimitedConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

T = TypeVar("T")

# Connection errors, shutdowns, a full disk or too many connections, a standby's refusals, and the
# end of a transaction that stalled: all of these may pass. Other operational errors, such as a
# deadlock, are those of one statement.
_PASSING = ("08", "53", "57P", "25006", "25P03")

# An intent that is lost would be sent again, so no setting of the server makes a commit less.
_DURABLE = """
    SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') IN ('off', 'local')
"""
# A machine that stalls or is cut off within a transaction has locked jobs and credits.
IDLE_LIMIT = 15.0
_ENDED_IF_IDLE = "SELECT set_config('idle_in_transaction_session_timeout', %s, false)"
_LONG = 0.5
"""Seconds after which an attempt to connect that failed isn't repeated immediately."""
_PAUSE = 1.0
_CONFLICTS = 20
"""So often a transaction is tried that conflicts with others."""


class DatabaseLost(LedgerError):
    """The database can't be reached, or broke off: what was being written may not be stored."""


class DatabaseRefused(DatabaseLost):
    """The worker mustn't go on with the database that it has reached."""


def is_lost(error: psycopg.Error) -> bool:
    """Return whether the database, and not a statement, was the reason of an error."""
    if isinstance(error, psycopg.InterfaceError):
        return True
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate.startswith(_PASSING)


def translated(error: psycopg.Error) -> LedgerError:
    """Return the error of this library for one of the database."""
    kind = DatabaseLost if is_lost(error) else LedgerError
    return kind(f"the queue's database: {errors.reason_of(error)}")


@define(eq=False)
class Database:
    """One connection, made when it is needed and again after it broke off; one thread at a time."""

    url: str = field(repr=False)
    idle_limit: float | None = field(default=None, kw_only=True)
    """Seconds after which the server ends a transaction that does nothing, so that others go on."""
    limit: float | None = field(default=None, kw_only=True)
    """Seconds after which a statement without a response counts as a lost database."""
    check: Callable[[psycopg.Connection[Any]], None] | None = field(default=None, kw_only=True)
    """Called with each new connection: there can be another server behind it, or older data. It
    raises a ConfigurationError if nothing may be done there."""
    _connection: LimitedConnection | None = field(default=None, repr=False)
    _lock: RLock = field(factory=RLock, repr=False)
    _given_up: bool = field(default=False, init=False)
    _unreachable: tuple[float, str] = field(default=(0.0, ""), init=False)
    """Until when no attempt to connect is made, and why the last one failed."""

    @contextmanager
    def connection(self) -> Generator[psycopg.Connection[Any]]:
        """Yield the connection, in autocommit mode.

        Raises:
            DatabaseLost: the database can't be reached, or the connection broke off.
            LedgerError: the database refused a statement.
        """
        with self._lock:
            try:
                yield self._connected()
            except psycopg.Error as error:
                raise translated(error) from error
            finally:
                self._drop_broken()

    @contextmanager
    def transaction(self) -> Generator[psycopg.Connection[Any]]:
        """Yield the connection in a transaction, which an exception rolls back.

        Raises:
            DatabaseLost: the database can't be reached, or it is unknown whether it committed.
            LedgerError: the database refused a statement.
        """
        with self.connection() as connection, connection.transaction():
            yield connection

    def transact(self, function: Callable[[psycopg.Connection[Any]], T]) -> T:
        """Call a function in a transaction; again where that conflicts with one of a worker.

        Raises:
            DatabaseLost: the database can't be reached, or it is unknown whether it committed.
            LedgerError: the database refused a statement, or the conflicts didn't end.
        """
        left = _CONFLICTS
        while True:
            try:
                with self.raw_transaction() as connection:
                    return function(connection)
            except psycopg.Error as error:
                left -= 1
                if not left or not errors.is_conflict(error):
                    raise translated(error) from error

    @contextmanager
    def raw_transaction(self) -> Generator[psycopg.Connection[Any]]:
        """Do the same, and raise the errors of psycopg as they are."""
        with self._lock:
            try:
                connection = self._connected()
                with connection.transaction():
                    yield connection
            finally:
                self._drop_broken()

    def give_up(self) -> None:
        """End what is being executed, and whatever follows, as if the database were lost."""
        self._given_up = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            connection, self._connection = self._connection, None
            self._unreachable = (0.0, "")
            if connection is not None:
                with suppress(psycopg.Error):
                    connection.close()

    def _connected(self) -> LimitedConnection:
        if self._given_up:
            raise psycopg.OperationalError("the worker ends")
        if self._connection is None:
            connection = self._connect()
            try:
                connection.execute(_DURABLE)
                connection.execute(
                    _ENDED_IF_IDLE, [f"{(self.idle_limit or IDLE_LIMIT) * 1000:.0f}"]
                )
                if self.check is not None:
                    self.check(connection)
            except ConfigurationError as error:
                connection.close()
                raise DatabaseRefused(str(error)) from error
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _connect(self) -> LimitedConnection:
        """Connect; those who wait meanwhile for a server that doesn't respond share the failure."""
        began = time.monotonic()
        until, reason = self._unreachable
        if began < until:
            raise psycopg.OperationalError(reason)
        try:
            connection = LimitedConnection.connect(conninfo(self.url), autocommit=True)
        except psycopg.OperationalError as error:
            now = time.monotonic()
            if now - began > _LONG:
                self._unreachable = (now + _PAUSE, str(error))
            raise
        connection.limit, connection.given_up = self.limit, lambda: self._given_up
        return connection

    def _drop_broken(self) -> None:
        connection = self._connection
        if connection is not None and (connection.closed or connection.broken):
            self.close()
