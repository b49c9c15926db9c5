"""Which processes are alive: each has a file lock, which the kernel releases when it ends.

A lease with a time limit would need renewal, would outlive a crash, and would break when the clock
jumps. The ledger's file is on this machine, so its kernel knows.
"""

from __future__ import annotations

import errno
import os
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from attrs import define, field

from wanflow._regular_file import remove, try_lock

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO


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
            if not try_lock(file):
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
            self.remove_stale(self.token)

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
            return not try_lock(file)

    def remove_stale(self, token: str) -> None:
        """Delete the lock file of a dead owner; one that another process checks now stays."""
        with suppress(PermissionError):
            remove(self._lock_path(token))

    def _lock_path(self, token: str) -> Path:
        return self.ledger.with_name(f"{self.ledger.name}-{token}.alive")
