"""The ledger's tables, by version, and how a file of an older version becomes one of the newest."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from wanflow.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

APPLICATION_ID = 0x57464C47
"""Marks the file as a ledger ("WFLG")."""
_OLDEST_SQLITE = (3, 37, 0)

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


def prepare(
    connection: sqlite3.Connection, path: Path, migrations: Sequence[str] = MIGRATIONS
) -> None:
    """Bring a file to the newest version, in one step that happens whole or not at all.

    Raises:
        LedgerError: it is another program's, of a newer version, or this SQLite is too old.
        sqlite3.Error: SQLite can't read or write it.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise LedgerError(
            f"a ledger needs SQLite 3.37 or newer, and this Python has {sqlite3.sqlite_version}"
        )
    # In one transaction: between two reads, another process may make the ledger.
    try:
        connection.execute("BEGIN")
        version = _version(connection, path, migrations)
    finally:
        _undo(connection)
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
        _undo(connection)
        raise


def _undo(connection: sqlite3.Connection) -> None:
    """End a transaction, where what went wrong hasn't ended it: that is what is to be told."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _version(connection: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> int:
    mark = _number(connection, "PRAGMA application_id")
    version = _number(connection, "PRAGMA user_version")
    tables = _number(connection, "SELECT count(*) FROM sqlite_master")
    if mark != APPLICATION_ID and (mark or version or tables):
        raise LedgerError(f"ledger {path}: it is another program's database", path=str(path))
    if version > len(migrations):
        raise LedgerError(
            f"ledger {path}: it is of version {version}, and this wanflow knows those up to "
            f"{len(migrations)}; use a newer wanflow, or another path",
            path=str(path),
        )
    return version


def _number(connection: sqlite3.Connection, query: str) -> int:
    found: int = connection.execute(query).fetchone()[0]
    return found
