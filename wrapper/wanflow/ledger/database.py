"""Create a ledger's file, connect SQLite to it, and detect that the file was replaced."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from wanflow.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

APPLICATION_ID = 0x57464C47
"""Marks the file as a ledger ("WFLG")."""
_MIN_SQLITE = (3, 37, 0)

# Entry N migrates from version N to N + 1. Published entries never change.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE place (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE holder (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        token TEXT NOT NULL UNIQUE,
        process INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE job (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        server INTEGER NOT NULL REFERENCES place,
        key TEXT UNIQUE,
        name TEXT,
        attempt INTEGER NOT NULL DEFAULT 1,
        digest BLOB,
        model TEXT,
        body TEXT,
        abridged INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL,
        task TEXT,
        folder INTEGER REFERENCES place,
        status TEXT,
        progress INTEGER,
        code TEXT,
        reason TEXT,
        links TEXT,
        credits REAL,
        intended REAL NOT NULL,
        accepted REAL,
        ended REAL,
        created INTEGER,
        holder INTEGER REFERENCES holder ON DELETE SET NULL
    ) STRICT;
    CREATE UNIQUE INDEX job_task ON job (task, server) WHERE task IS NOT NULL;
    CREATE UNIQUE INDEX job_name ON job (name, attempt) WHERE name IS NOT NULL;
    CREATE INDEX job_open ON job (id)
        WHERE state IN ('intent', 'uncertain', 'accepted', 'completed');
    CREATE INDEX job_holder ON job (holder) WHERE holder IS NOT NULL;
    CREATE TABLE file (
        job INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,
        place INTEGER NOT NULL,
        name TEXT NOT NULL,
        size INTEGER NOT NULL,
        sha256 BLOB NOT NULL,
        PRIMARY KEY (job, place)
    ) STRICT, WITHOUT ROWID;
    """,
    "ALTER TABLE job ADD COLUMN price REAL",
    """
    ALTER TABLE job ADD COLUMN price_class INTEGER REFERENCES place;
    CREATE INDEX job_price ON job (server, model, price_class, price, accepted)
        WHERE price IS NOT NULL AND price_class IS NOT NULL
    """,
    "ALTER TABLE job ADD COLUMN uploads TEXT",
    "ALTER TABLE job ADD COLUMN sends INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE job ADD COLUMN name_template TEXT",
)


def migrate(
    connection: sqlite3.Connection, path: Path, migrations: Sequence[str] = MIGRATIONS
) -> None:
    """Migrate a file to the newest version, in one transaction.

    Raises:
        LedgerError: it is another program's database or of a newer version, or SQLite is too old.
        sqlite3.Error: SQLite can't read or write the file.
    """
    if sqlite3.sqlite_version_info < _MIN_SQLITE:
        raise LedgerError(
            f"a ledger needs SQLite 3.37 or newer, and this Python has {sqlite3.sqlite_version}"
        )
    # In one transaction: another process may create the ledger between two reads.
    try:
        connection.execute("BEGIN")
        version = _version(connection, path, migrations)
    finally:
        _rollback(connection)
    if version == len(migrations):
        return
    try:
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have migrated it in the meantime.
        for script in migrations[_version(connection, path, migrations) :]:
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        _rollback(connection)
        raise


def _rollback(connection: sqlite3.Connection) -> None:
    """Roll back the transaction, unless the error that is being raised has ended it already."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _version(connection: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> int:
    mark = _read_int(connection, "PRAGMA application_id")
    version = _read_int(connection, "PRAGMA user_version")
    tables = _read_int(connection, "SELECT count(*) FROM sqlite_master")
    if mark != APPLICATION_ID and (mark or version or tables):
        raise LedgerError(f"ledger {path}: it is another program's database", path=str(path))
    if version > len(migrations):
        raise LedgerError(
            f"ledger {path}: it has version {version}, and this wanflow supports versions up to "
            f"{len(migrations)}; use a newer wanflow, or another path",
            path=str(path),
        )
    return version


def _read_int(connection: sqlite3.Connection, query: str) -> int:
    found: int = connection.execute(query).fetchone()[0]
    return found


_log = logging.getLogger("wanflow")
_LOCK_TIMEOUT = 30.0
"""Seconds to wait for another process that writes."""
_FILE_SUFFIXES = ("", "-wal", "-shm", "-journal", "-reserve")
"""The suffixes of a ledger's files."""
_STABLE_SUFFIXES = ("", "-wal", "-shm")
"""The suffixes of the files that are never replaced while a process is connected."""
_GROUP_AND_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def create_file(path: Path) -> bool:
    """Create the file if it doesn't exist → whether it did not.

    Only its owner can read it and the files beside it.
    The same holds for a directory created for it: a user who can write there can replace the file.

    Raises:
        OSError: the file or its directory can't be created.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # SQLite gives the files beside it the same permissions. An existing file isn't opened here:
    # closing it would release the locks that SQLite has on it.
    created = False
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        created = True
    for end in _FILE_SUFFIXES:
        _restrict_to_owner(path.with_name(path.name + end))
    return created


def connect(path: Path) -> sqlite3.Connection:
    """Connect to the file, and migrate it to the newest version.

    Raises:
        LedgerError: the file is not a ledger, or of a newer version.
        sqlite3.Error: SQLite can't read or write the file.
    """
    connection = sqlite3.connect(
        path, timeout=_LOCK_TIMEOUT, isolation_level=None, check_same_thread=False
    )
    try:
        connection.row_factory = sqlite3.Row
        migrate(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")
        # On macOS, fsync leaves the data in the drive's memory; elsewhere these change nothing.
        connection.execute("PRAGMA fullfsync = ON")
        connection.execute("PRAGMA checkpoint_fullfsync = ON")
        # After the first read, all of its files exist.
        connection.execute("SELECT 1 FROM job LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


class FileIdentity:
    """The identity of the files that a ledger is connected to, to detect that they were replaced.

    Writes to a deleted or replaced file are lost when it is closed.
    """

    def __init__(self, path: Path) -> None:
        """Store the identity of the files as they are now."""
        self._path = path
        self._files = {end: _identity(path, end) for end in _STABLE_SUFFIXES}
        self._size = _size(path)

    def check(self) -> None:
        """Check that the files are the same.

        Raises:
            LedgerError: a file was deleted or replaced.
        """
        for end, known in self._files.items():
            found = known if known is None else _identity(self._path, end)
            if found != known:
                what = "was deleted" if found is None else "was replaced by another file"
                raise self._error(end, what)
        # SQLite never shortens the file; a program that overwrites or empties it does.
        size = _size(self._path)
        if size < self._size:
            raise self._error("", "was overwritten by another program")
        self._size = size

    def _error(self, end: str, what: str) -> LedgerError:
        return LedgerError(
            f"ledger {self._path}: its file {self._path.name}{end} {what} while it was in use, so "
            "nothing is submitted. Stop whatever deletes, restores or synchronizes it, and run "
            "the program again: it then uses the file at this path",
            path=str(self._path),
        )


def _identity(path: Path, end: str) -> tuple[int, int] | None:
    try:
        found = os.stat(f"{path}{end}")  # noqa: PTH116 - a path object costs more than the call
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - a path object costs more than the call
    except FileNotFoundError:
        return 0


def _restrict_to_owner(path: Path) -> None:
    """Remove the permissions of group and others, if this process may do so."""
    try:
        mode = path.stat().st_mode
        if mode & _GROUP_AND_OTHERS:
            path.chmod(stat.S_IMODE(mode) & ~_GROUP_AND_OTHERS)
    except FileNotFoundError:
        return
    except OSError as error:
        _log.warning(
            "other users may read the prompts in %s, and its permissions can't be changed: %s",
            path,
            error.strerror or error,
        )
