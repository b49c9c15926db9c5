"""How a ledger's file is made, and how SQLite is connected to it."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

from wanflow.ledger.schema import prepare

if TYPE_CHECKING:
    from pathlib import Path

_PATIENCE = 30.0
"""Seconds to wait while another process writes."""


def make(path: Path) -> None:
    """Make the file, readable to its owner alone, if it isn't there.

    Raises:
        OSError: the disk refuses it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # SQLite gives the files beside it the same rights. Prompts are nobody else's business.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def connect(path: Path) -> sqlite3.Connection:
    """Connect to the file, which is brought to the newest version.

    Raises:
        LedgerError: it is no ledger, or of a newer version.
        sqlite3.Error: SQLite can't read or write it.
    """
    connection = sqlite3.connect(
        path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
    )
    try:
        connection.row_factory = sqlite3.Row
        prepare(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection
