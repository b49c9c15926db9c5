"""Translate errors of SQLite and the disk into LedgerError with a sentence that says what to do."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from attrs import frozen

from wanflow.errors import LedgerError

if TYPE_CHECKING:
    from pathlib import Path

_REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full; make room and resume",
    sqlite3.SQLITE_READONLY: "it can't be written; check its permissions and its directory's",
    sqlite3.SQLITE_CANTOPEN: "it can't be opened; check that its directory exists and is writable",
    sqlite3.SQLITE_CORRUPT: "it is damaged; keep a copy, and use a new path",
    sqlite3.SQLITE_NOTADB: "it is not a ledger but another kind of file",
    sqlite3.SQLITE_BUSY: "it is locked by another process for too long; try again",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write it",
}
# Errors of a statement or of a value in it.
_STATEMENT_ERRORS = frozenset(
    {
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_MISUSE,
        sqlite3.SQLITE_RANGE,
        sqlite3.SQLITE_TOOBIG,
    }
)
_NO_CODE = -1


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error of SQLite means that the disk, or its shared memory, is full."""
    return _code(error) == sqlite3.SQLITE_FULL


def is_file_error(error: BaseException) -> bool:
    """Return whether an error concerns the file or its disk, not the value to be written."""
    if not isinstance(error, sqlite3.Error):
        return False
    code = _code(error)
    if code == _NO_CODE:
        return isinstance(error, sqlite3.OperationalError)
    return code not in _STATEMENT_ERRORS


@frozen
class translate_errors:  # noqa: N801 - used as a function; as a generator it would cost five times
    """Turn what SQLite and the file system raise into LedgerError."""

    path: Path

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None and isinstance(error, Exception):
            translated = translate(error, self.path)
            if translated is not error:
                raise translated from error


def translate(error: BaseException, path: Path) -> BaseException:
    """Return the LedgerError for what SQLite or the file system raised; any other error itself."""
    match error:
        case sqlite3.Error():
            reason = _REASONS.get(_code(error)) or str(error)
        case UnicodeError() | OverflowError():
            reason = f"a value can't be stored: {type(error).__name__}"
        case OSError():
            reason = error.strerror or str(error)
        case _:
            return error
    found = LedgerError(f"ledger {path}: {reason}", path=str(path))
    found.__cause__ = error
    return found


def _code(error: BaseException) -> int:
    """Return the primary error code, the lowest byte of the extended code; -1 if there is none."""
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_IOERR_SHMSIZE:
        return sqlite3.SQLITE_FULL
    return code & 0xFF if isinstance(code, int) else _NO_CODE
