"""A ledger's file: SQLite's connections to it, its reserve of disk space, and its owners' locks."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from wanflow.ledger import database
from wanflow.ledger.disk_reserve import DiskReserve
from wanflow.ledger.latest_job import LatestJob, latest_job
from wanflow.ledger.owner_locks import OwnerLock
from wanflow.ledger.sqlite_errors import is_disk_full, is_file_error, translate, translate_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wanflow.ledger.connection import Connection

T = TypeVar("T")


class SqliteTransactions:
    """The transactions of a connection, and the disk space that is reserved for them."""

    def __init__(self, connection: sqlite3.Connection, reserve: DiskReserve) -> None:
        self.connection, self._reserve = connection, reserve
        self._durable: bool | None = None
        self._checked = False

    def begin(self, *, durable: bool) -> None:
        """Begin a transaction, as the only process that writes."""
        # Without the fsync, the file stays consistent.
        if durable is not self._durable:
            self._durable = None
            self.connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        self.connection.execute("BEGIN IMMEDIATE")
        self._checked = False

    def check_transaction(self) -> None:
        """Check that SQLite has not rolled the transaction back."""
        if not self.connection.in_transaction:
            raise sqlite3.OperationalError("the transaction was rolled back")

    def commit(self) -> None:
        """Commit the transaction."""
        self.connection.execute("COMMIT")

    def roll_back(self) -> None:
        """Roll the transaction back, if there is one."""
        with suppress(sqlite3.Error):
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def fails_all(self, error: BaseException) -> bool:
        """Return whether an error concerns the file or its disk."""
        return is_file_error(error)

    def may_repeat(self, error: BaseException) -> bool:  # noqa: ARG002 - of a Database
        """Return False: SQLite itself has waited for others."""
        return False

    def make_room(self, error: BaseException) -> bool:
        """Release the reserve if the disk is full."""
        return is_disk_full(error) and self._reserve.release()


class SqliteDatabase(SqliteTransactions):
    """The file at `path`, created if needed and readable only to its owner.

    Raises:
        LedgerError: it can't be opened, or isn't a ledger of a known version.
    """

    def __init__(self, path: Path) -> None:
        # SQLite puts its files beside the real file, so every process must use the real path.
        path = self._path = Path(os.path.realpath(path))
        self._process = os.getpid()
        self._reader_lock = Lock()
        self._owner_lock = OwnerLock(path)
        self.owner_id: int | None = None
        reserve = DiskReserve(path.with_name(f"{path.name}-reserve"))
        self._latest_job = LatestJob(path, reserve.path)
        with translate_errors(path):
            if database.create_file(path):
                self._latest_job.forget()
            super().__init__(_connect(path, reserve), reserve)
            try:
                self._latest_job.check(self.connection)
                self._reader = database.connect(path)
            except BaseException:
                self.connection.close()
                raise
        self._identity = database.FileIdentity(path)

    def commit(self) -> None:
        """Commit the transaction, and note the latest job."""
        latest = latest_job(self.connection)
        super().commit()
        self._latest_job.note(latest)

    @property
    def name(self) -> str:
        """The path."""
        return str(self._path)

    def read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Call a function that only reads."""
        with self._reader_lock:
            return read(self._reader)

    def prepare(self) -> None:
        """Restore the reserve."""
        self._reserve.restore()

    def check(self) -> None:
        """Check, once in a transaction, that the file wasn't replaced."""
        if not self._checked:
            self._identity.check()
            self._checked = True

    def register_owner(self) -> int:
        """Lock this process's file, and add it to the owners."""
        self._reserve.allocate()
        self._owner_lock.acquire()
        query = "INSERT INTO holder (token, process) VALUES (?, ?) RETURNING id"
        values = [self._owner_lock.token, self._process]
        found: int = self.connection.execute(query, values).fetchone()[0]
        self.owner_id = found
        return found

    def forget_owner(self) -> None:
        """Note that the registration was rolled back."""
        self.owner_id = None

    def unregister_owner(self) -> Callable[[], object]:
        """Remove this process from the owners, and so release its jobs; return what undoes it."""
        self.connection.execute("DELETE FROM holder WHERE token = ?", [self._owner_lock.token])
        restore = partial(setattr, self, "owner_id", self.owner_id)
        self.owner_id = None
        return restore

    def is_alive(self, connection: Connection, token: str, *, uncertain: bool) -> bool:  # noqa: ARG002 - of a Database
        """Return whether the file of an owner is locked."""
        return self._owner_lock.is_alive(token)

    def release_dead(self) -> None:
        """Remove the owners whose files aren't locked."""
        for (token,) in self.connection.execute("SELECT token FROM holder").fetchall():
            if not self._owner_lock.is_alive(token):
                self.connection.execute("DELETE FROM holder WHERE token = ?", [token])
                self._owner_lock.remove_stale(token)

    def lock_jobs(self, ids: Sequence[int]) -> None:
        """Do nothing: in a transaction, no other process writes, and a queue has no file."""

    def lock(self, name: str) -> None:
        """Do nothing: in a transaction, no other process writes."""

    def translate(self, error: BaseException) -> BaseException:
        """Return a LedgerError in place of an error of SQLite or of the file system."""
        return translate(error, self._path)

    def close(self) -> None:
        """Close the connections, and unlock the file of this process."""
        if os.getpid() == self._process:
            self._owner_lock.release()
        self.connection.close()
        self._reader.close()
        # If the disk is still full, the reserve can't be restored now.
        with suppress(OSError):
            self._reserve.restore()


def _connect(path: Path, reserve: DiskReserve) -> sqlite3.Connection:
    """Connect to the file; on a full disk, release the reserve so that it can be read."""
    try:
        return database.connect(path)
    except sqlite3.Error as error:
        if not (is_disk_full(error) and reserve.release()):
            raise
        return database.connect(path)
