"""How a ledger's file is made, how SQLite is connected to it, and whether it is still that file."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from wanflow.errors import LedgerError
from wanflow.ledger.schema import prepare

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger("wanflow")
_PATIENCE = 30.0
"""Seconds to wait while another process writes."""
_BESIDE = ("", "-wal", "-shm", "-journal", "-reserve")
"""The ends of the names of a ledger's files."""
_OPEN = ("", "-wal", "-shm")
"""Those that stay the same as long as somebody is connected."""
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make(path: Path) -> None:
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
    for end in _BESIDE:
        _tighten(path.with_name(path.name + end))


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
        # From the first read on, all of its files are there.
        connection.execute("SELECT 1 FROM job LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


class Identity:
    """Which files a ledger is connected to, so that it is noticed when others take their places.

    What is written into a file that was deleted or replaced is lost when it is closed.
    """

    def __init__(self, path: Path) -> None:
        """Keep what the files are now."""
        self._path = path
        self._files = {end: _identity(path, end) for end in _OPEN}
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
                raise self._changed(end, what)
        # SQLite never shortens it; what copies another file into it, or nothing, does.
        size, self._size = self._size, _size(self._path)
        if self._size < size:
            raise self._changed("", "was written by another program")

    def _changed(self, end: str, what: str) -> LedgerError:
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


def _tighten(path: Path) -> None:
    """Take the rights of others off a file, as far as that is ours to do."""
    try:
        mode = path.stat().st_mode
        if mode & _OTHERS:
            path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
    except FileNotFoundError:
        return
    except OSError as error:
        _log.warning(
            "others may read %s, which has prompts in it, and its rights can't be changed: %s",
            path,
            error.strerror or error,
        )
