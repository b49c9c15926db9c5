"""Which processes are alive: each has a file lock, which the kernel releases when it ends.

A lease with a time limit would need renewal, would outlive a crash, and would break when the clock
jumps. The ledger's file is on this machine, so its kernel knows.
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
    from wanflow._regular_file import try_lock as _lock


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@define
class OwnerLock:
    """The lock of one open ledger, identified by `token`; it checks the locks of others, too.

    The lock belongs to the process that acquired it; a forked child doesn't share it.
    """

    ledger: Path
    token: str = field(factory=lambda: uuid.uuid4().hex)
    _lock_file: BinaryIO | None = field(default=None, repr=False)

    def acquire(self) -> None:
        """Acquire the lock.

        Raises:
            OSError: its file can't be created or locked.
        """
        if self._lock_file is not None:
            return
        path = self._lock_path(self.token)
        file = open(path, "ab", 0, opener=_open_private)  # noqa: SIM115 - Path has no opener
        try:
            if not _lock(file):
                reason = "files can't be locked there; put the ledger on another disk"
                raise OSError(errno.ENOLCK, reason)
            self._lock_file = file
        finally:
            if self._lock_file is not file:
                file.close()

    def release(self) -> None:
        """Release the lock, and delete its file."""
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None
            self._lock_path(self.token).unlink(missing_ok=True)

    def is_alive(self, token: str) -> bool:
        """Return whether the owner with a token is alive."""
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
        """Delete the lock file of a dead owner."""
        self._lock_path(token).unlink(missing_ok=True)

    def _lock_path(self, token: str) -> Path:
        return self.ledger.with_name(f"{self.ledger.name}-{token}.alive")


def register_owner(token: str, process: int) -> Write[int]:
    """Return the write that adds a process to the owners, and returns its id."""

    def write(connection: sqlite3.Connection) -> int:
        query = "INSERT INTO holder (token, process) VALUES (?, ?) RETURNING id"
        found: int = connection.execute(query, [token, process]).fetchone()[0]
        return found

    return write


def unregister_owner(token: str) -> Write[None]:
    """Return the write that removes an owner, and so releases its jobs."""

    def write(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM holder WHERE token = ?", [token])

    return write
