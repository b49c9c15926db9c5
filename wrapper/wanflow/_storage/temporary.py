"""Files that are saved for a moment, for those who store them elsewhere."""

from __future__ import annotations

import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, cast


class TemporaryDownload:
    """A directory of its own for one file, which goes when the file is closed."""

    def __init__(self) -> None:
        self._directory = TemporaryDirectory(prefix="wanflow-", ignore_cleanup_errors=True)
        self.folder = Path(self._directory.name)

    def open(self, path: Path) -> BinaryIO:
        """Open the file, for reading."""
        return cast("BinaryIO", _TemporaryFile(path, self._directory))

    def remove(self) -> None:
        """Remove the directory with all in it."""
        self._directory.cleanup()


class _TemporaryFile(io.BufferedReader):
    """A file that removes its directory when it is closed."""

    def __init__(self, path: Path, directory: TemporaryDirectory[str]) -> None:
        super().__init__(io.FileIO(path))
        self._directory = directory

    def close(self) -> None:
        """Close the file, and remove its directory."""
        super().close()
        self._directory.cleanup()
