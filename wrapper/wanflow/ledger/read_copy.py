"""Reads a ledger that can't be written, through a copy: SQLite writes beside a file it reads."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import quote

from wanflow.ledger.ledger import Ledger
from wanflow.ledger.sqlite_errors import translate_errors

if TYPE_CHECKING:
    from collections.abc import Generator

    from wanflow.errors import LedgerError

_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}
_NOT_WRITABLE_CODES = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}


def is_unwritable(error: LedgerError) -> bool:
    """Return whether a ledger couldn't be opened because its file or directory is read-only."""
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _NOT_WRITABLE_CODES
    return isinstance(cause, OSError) and cause.errno in _NOT_WRITABLE


@contextmanager
def open_copy(path: Path) -> Generator[Ledger]:
    """Open a temporary copy of a ledger, as it is now.

    Raises:
        LedgerError: it can't be read.
    """
    with TemporaryDirectory(prefix="wanflow-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / path.name
        with translate_errors(path):
            _copy(path, copy)
        with Ledger(copy) as ledger:
            yield ledger


def _copy(path: Path, copy: Path) -> None:
    """Copy a ledger, with what is only in the log beside it.

    Raises:
        OSError: a file can't be read.
        sqlite3.Error: SQLite can't read it.
    """
    log, shared = (path.with_name(path.name + end) for end in ("-wal", "-shm"))
    if shared.exists():
        # A process may be writing: SQLite can read it together with that one.
        uri = f"file:{quote(str(path.resolve()))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as near, closing(sqlite3.connect(copy)) as far:
            near.backup(far)
        return
    shutil.copyfile(path, copy)
    if log.exists():
        shutil.copyfile(log, copy.with_name(copy.name + "-wal"))
