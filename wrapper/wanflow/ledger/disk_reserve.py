"""Reserved disk space, so that the ids of paid tasks can be recorded on a full disk."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from attrs import define, field

from wanflow._regular_file import open_regular

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 512 * 1024
"""Bytes: enough for the ids of some hundred tasks in flight."""


@define
class DiskReserve:
    """A file of zeros beside the ledger, deleted when the disk is full."""

    path: Path
    size: int = SIZE
    _was_released: bool = field(default=False)

    def allocate(self) -> None:
        """Create the file if it doesn't exist.

        Raises:
            OSError: the disk is full, or the file can't be written.
        """
        with suppress(FileNotFoundError):
            if self.path.lstat().st_size >= self.size:
                return
        file = open_regular(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            with file:
                file.write(bytes(self.size))
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
            raise

    def release(self) -> bool:
        """Delete the file to free its space; False if there was no file."""
        try:
            self.path.unlink()
        except OSError:
            return False
        self._was_released = True
        return True

    def restore(self) -> None:
        """Create the file again after it was deleted.

        Raises:
            OSError: the disk is still full.
        """
        if self._was_released:
            self.allocate()
            self._was_released = False
