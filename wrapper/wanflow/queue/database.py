"""The connections of a queue to its database, and the errors of a database that is lost."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from threading import RLock
from typing import TYPE_CHECKING, Any, Self

import psycopg
from attrs import define, field

from wanflow.errors import LedgerError
from wanflow.ledger.postgres.connection import conninfo

if TYPE_CHECKING:
    from collections.abc import Generator

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


class DatabaseLost(LedgerError):
    """The database can't be reached, or broke off: what was being written may not be stored."""


def is_lost(error: psycopg.Error) -> bool:
    """Return whether the database, and not a statement, was the reason of an error."""
    if isinstance(error, psycopg.InterfaceError):
        return True
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate.startswith(_PASSING)


def translated(error: psycopg.Error) -> LedgerError:
    """Return the error of this library for one of the database."""
    text = " ".join(str(error).split()) or type(error).__name__
    if is_lost(error):
        return DatabaseLost(f"the queue's database can't be reached: {text}")
    return LedgerError(f"the queue's database refused a statement: {text}")


@define(eq=False)
class Database:
    """One connection, made when it is needed and again after it broke off; one thread at a time."""

    url: str = field(repr=False)
    idle_limit: float | None = field(default=None, kw_only=True)
    """Seconds after which the server ends a transaction that does nothing, so that others go on."""
    _connection: psycopg.Connection[Any] | None = field(default=None, repr=False)
    _lock: RLock = field(factory=RLock, repr=False)

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                with suppress(psycopg.Error):
                    connection.close()

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            connection = psycopg.connect(conninfo(self.url), autocommit=True)
            try:
                connection.execute(_DURABLE)
                connection.execute(
                    _ENDED_IF_IDLE, [f"{(self.idle_limit or IDLE_LIMIT) * 1000:.0f}"]
                )
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _drop_broken(self) -> None:
        connection = self._connection
        if connection is not None and (connection.closed or connection.broken):
            self.close()
