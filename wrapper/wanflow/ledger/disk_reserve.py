"""Room that is kept on the disk, so that a full one still takes the ids of paid tasks."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from attrs import define, field

from wanflow._storage.regular_file import open_regular

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 512 * 1024
"""Bytes: enough for the ids of some hundred tasks under way."""


@define
class DiskReserve:
    """A file of nothing beside the ledger, removed when the disk is full."""

    path: Path
    size: int = SIZE
    _was_released: bool = field(default=False)

    def allocate(self) -> None:
        """Put the file there, if it isn't.

        Raises:
            OSError: there is no room for it, or it may not be written.
        """
        with suppress(FileNotFoundError):
            if self.path.lstat().st_size >= self.size:
                return
        try:
            with os.fdopen(open_regular(self.path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                file.write(bytes(self.size))
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
            raise

    def release(self) -> bool:
        """Give the room away; False where there was none to give."""
        try:
            self.path.unlink()
        except OSError:
            return False
        self._was_released = True
        return True

    @property
    def released(self) -> bool:
        """Whether the room was given away, so that nothing new should be begun."""
        return self._was_released

    def restore(self) -> None:
        """Lay it again after it was given away.

        Raises:
            OSError: there is still no room.
        """
        if self._was_released:
            self.allocate()
            self._was_released = False
