"""How a ledger's file is made, how SQLite is connected to it, and whether it is still that file."""

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

# Each entry leads from the version of its index to the next one. Published ones never change.
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
)


def migrate(
    connection: sqlite3.Connection, path: Path, migrations: Sequence[str] = MIGRATIONS
) -> None:
    """Bring a file to the newest version, in one step that happens whole or not at all.

    Raises:
        LedgerError: it is another program's, of a newer version, or this SQLite is too old.
        sqlite3.Error: SQLite can't read or write it.
    """
    if sqlite3.sqlite_version_info < _MIN_SQLITE:
        raise LedgerError(
            f"a ledger needs SQLite 3.37 or newer, and this Python has {sqlite3.sqlite_version}"
        )
    # In one transaction: between two reads, another process may make the ledger.
    try:
        connection.execute("BEGIN")
        version = _version(connection, path, migrations)
    finally:
        _rollback(connection)
    if version == len(migrations):
        return
    try:
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have done it in the meantime.
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
    """End a transaction, where what went wrong hasn't ended it: that is what is to be told."""
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
            f"ledger {path}: it is of version {version}, and this wanflow knows those up to "
            f"{len(migrations)}; use a newer wanflow, or another path",
            path=str(path),
        )
    return version


def _read_int(connection: sqlite3.Connection, query: str) -> int:
    found: int = connection.execute(query).fetchone()[0]
    return found


_log = logging.getLogger("wanflow")
_LOCK_TIMEOUT = 30.0
"""Seconds to wait while another process writes."""
_FILE_SUFFIXES = ("", "-wal", "-shm", "-journal", "-reserve")
"""The ends of the names of a ledger's files."""
_STABLE_SUFFIXES = ("", "-wal", "-shm")
"""Those that stay the same as long as somebody is connected."""
_GROUP_AND_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def create_file(path: Path) -> None:
    """Make the file, if it isn't there; it and those beside it are readable to their owner alone.

    So is a folder that is made for it: who can write there can put another file in its place.

    Raises:
        OSError: the disk refuses it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # SQLite gives the files beside it the same rights. Prompts are nobody else's business. One that
    # is there isn't opened here: to close it would take the locks off it that SQLite has.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    for end in _FILE_SUFFIXES:
        _restrict_to_owner(path.with_name(path.name + end))


def connect(path: Path) -> sqlite3.Connection:
    """Connect to the file, which is brought to the newest version.

    Raises:
        LedgerError: it is no ledger, or of a newer version.
        sqlite3.Error: SQLite can't read or write it.
    """
    connection = sqlite3.connect(
        path, timeout=_LOCK_TIMEOUT, isolation_level=None, check_same_thread=False
    )
    try:
        connection.row_factory = sqlite3.Row
        migrate(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")
        # From the first read on, all of its files are there.
        connection.execute("SELECT 1 FROM job LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


class FileIdentity:
    """Which files a ledger is connected to, so that it is noticed when others take their places.

    What is written into a file that was deleted or replaced is lost when it is closed.
    """

    def __init__(self, path: Path) -> None:
        """Keep what the files are now."""
        self._path = path
        self._files = {end: _identity(path, end) for end in _STABLE_SUFFIXES}
        self._size = _size(path)

    def check(self) -> None:
        """See whether the files are the same.

        Raises:
            LedgerError: one is gone, or another one is in its place.
        """
        for end, known in self._files.items():
            found = known if known is None else _identity(self._path, end)
            if found != known:
                what = "was deleted" if found is None else "was replaced by another file"
                raise self._error(end, what)
        # SQLite never shortens it; what copies another file into it, or nothing, does.
        size, self._size = self._size, _size(self._path)
        if self._size < size:
            raise self._error("", "was written by another program")

    def _error(self, end: str, what: str) -> LedgerError:
        return LedgerError(
            f"ledger {self._path}: its file {self._path.name}{end} {what} while it was in use, so "
            "nothing more is begun. Stop what deletes, restores or synchronises it, and run the "
            "program again: it goes on with the file that is there then",
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
    """Take the rights of others off a file, as far as that is ours to do."""
    try:
        mode = path.stat().st_mode
        if mode & _GROUP_AND_OTHERS:
            path.chmod(stat.S_IMODE(mode) & ~_GROUP_AND_OTHERS)
    except FileNotFoundError:
        return
    except OSError as error:
        _log.warning(
            "others may read %s, which has prompts in it, and its rights can't be changed: %s",
            path,
            error.strerror or error,
        )
