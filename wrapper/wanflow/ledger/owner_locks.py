"""Which processes are alive: each holds a lock that its end, however sudden, takes away.

A lease by the clock would have to be renewed, would last on after a crash, and would break when
the clock jumps. The ledger's file is on this machine, so its kernel can tell.
"""

from __future__ import annotations

import errno
import os
import sys
import uuid
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path
    from typing import BinaryIO

    from wanflow.ledger.group_commit import Write

if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> bool:
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    from wanflow._storage.regular_file import try_lock as _lock


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@define
class OwnerLock:
    """One ledger's own lock, and a look at those of others; `token` names it.

    The lock is of the process that took it: a process that is forked off has no part in it.
    """

    ledger: Path
    token: str = field(factory=lambda: uuid.uuid4().hex)
    _lock_file: BinaryIO | None = field(default=None, repr=False)

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            OSError: its file can't be made, or locked.
        """
        if self._lock_file is not None:
            return
        path = self._lock_path(self.token)
        file = open(path, "ab", 0, opener=_open_private)  # noqa: SIM115 - Path has no opener
        try:
            if not _lock(file):
                reason = "files can't be locked there; keep it on another disk"
                raise OSError(errno.ENOLCK, reason)
            self._lock_file = file
        finally:
            if self._lock_file is not file:
                file.close()

    def release(self) -> None:
        """Give the lock up, and remove its file."""
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None
            self._lock_path(self.token).unlink(missing_ok=True)

    def is_alive(self, token: str) -> bool:
        """Tell whether the holder of a token still has its lock."""
        if token == self.token:
            return self._lock_file is not None
        try:
            number = os.open(self._lock_path(token), os.O_RDWR)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        with os.fdopen(number, "r+b", buffering=0) as file:
            return not _lock(file)

    def remove_stale(self, token: str) -> None:
        """Remove the file of a dead holder."""
        self._lock_path(token).unlink(missing_ok=True)

    def _lock_path(self, token: str) -> Path:
        return self.ledger.with_name(f"{self.ledger.name}-{token}.alive")


def register_owner(token: str, process: int) -> Write[int]:
    """Return the write that gives a process its number among the holders."""

    def write(connection: sqlite3.Connection) -> int:
        query = "INSERT INTO holder (token, process) VALUES (?, ?) RETURNING id"
        found: int = connection.execute(query, [token, process]).fetchone()[0]
        return found

    return write


def unregister_owner(token: str) -> Write[None]:
    """Return the write that takes all jobs out of a process's hands."""

    def write(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM holder WHERE token = ?", [token])

    return write
