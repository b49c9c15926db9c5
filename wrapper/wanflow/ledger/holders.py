"""Which processes are alive: each holds a lock that its end, however sudden, takes away.

A lease by the clock would have to be renewed, would last on after a crash, and would break when
the clock jumps. The ledger's file is on this machine, so its kernel can tell.
"""

from __future__ import annotations

import os
import sys
import uuid
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from wanflow.ledger.commits import Write

if sys.platform == "win32":
    import msvcrt

    def _lock(number: int) -> bool:
        try:
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _lock(number: int) -> bool:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@define
class Liveness:
    """One ledger's own lock, and a look at those of others; `token` names it."""

    ledger: Path
    token: str = field(factory=lambda: uuid.uuid4().hex)
    _number: int | None = field(default=None, repr=False)

    def begin(self) -> None:
        """Take the lock.

        Raises:
            OSError: its file can't be made.
        """
        if self._number is None:
            self._number = os.open(self._file(self.token), os.O_RDWR | os.O_CREAT, 0o600)
            _lock(self._number)

    def end(self) -> None:
        """Give the lock up, and remove its file."""
        if self._number is not None:
            os.close(self._number)
            self._number = None
            self._file(self.token).unlink(missing_ok=True)

    def alive(self, token: str) -> bool:
        """Tell whether the holder of a token still has its lock."""
        if token == self.token:
            return self._number is not None
        try:
            number = os.open(self._file(token), os.O_RDWR)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        try:
            return not _lock(number)
        finally:
            os.close(number)

    def bury(self, token: str) -> None:
        """Remove the file of a dead holder."""
        self._file(token).unlink(missing_ok=True)

    def _file(self, token: str) -> Path:
        return self.ledger.with_name(f"{self.ledger.name}-{token}.alive")


def add_holder(token: str, process: int) -> Write[int]:
    """Return the write that gives a process its number among the holders."""

    def write(connection: sqlite3.Connection) -> int:
        query = "INSERT INTO holder (token, process) VALUES (?, ?) RETURNING id"
        found: int = connection.execute(query, [token, process]).fetchone()[0]
        return found

    return write


def remove_holder(token: str) -> Write[None]:
    """Return the write that takes all jobs out of a process's hands."""

    def write(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM holder WHERE token = ?", [token])

    return write
