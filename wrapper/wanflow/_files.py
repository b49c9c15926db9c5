"""A file on its way to disk: written beside its final name, then renamed, so never half there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from wanflow._core.download import Body, Redirect, Refused, judge, validator
from wanflow.errors import DownloadFailed

if TYPE_CHECKING:
    from wanflow._core.effects import Reply


class PartFile:
    """The sink of one download.

    `have` counts the bytes on disk, `total` those of the whole file where the server said so,
    `verdict` is what the last answer's head meant.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        """Open an empty part file in the folder, which is made if need be.

        Raises:
            DownloadFailed: the folder can't be made or written.
        """
        self.have = 0
        self.total: int | None = None
        self.validator: str | None = None
        self.content_type = ""
        self.verdict: Body | Redirect | Refused | None = None
        self.url = ""
        self._folder = folder
        self._limit = limit
        try:
            folder.mkdir(parents=True, exist_ok=True)
            number, name = tempfile.mkstemp(prefix=".wanflow-", suffix=".part", dir=folder)
        except OSError as error:
            raise _unwritable(folder, error) from error
        self._path = Path(name)
        self._file = os.fdopen(number, "wb")

    def head(self, reply: Reply) -> bool:
        """Take an answer's head; True where its body belongs into this file.

        Raises:
            DownloadFailed: the file would be larger than the limit.
        """
        self.verdict = judge(self.url, reply, self.have)
        if not isinstance(self.verdict, Body):
            return False
        self.total = self.verdict.total
        self.validator = validator(reply)
        self.content_type = reply.headers.get("content-type", "")
        self._rewind(self.verdict.start)
        self._check_limit(self.total or 0)
        return True

    def write(self, chunk: bytes) -> None:
        """Append the next bytes.

        Raises:
            DownloadFailed: the disk refuses them, or they pass the limit.
        """
        self._check_limit(self.have + len(chunk))
        try:
            self._file.write(chunk)
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        self.have += len(chunk)

    @property
    def whole(self) -> bool:
        """Whether all that the server announced is here."""
        return self.total is None or self.have == self.total

    def keep(self, name: str) -> Path:
        """Flush to disk, take the final name in one step, and return the path.

        Raises:
            DownloadFailed: the disk refuses.
        """
        path = self._folder / name
        try:
            with self._file:
                self._file.flush()
                os.fsync(self._file.fileno())
            self._path.chmod(0o666 & ~_umask())
            self._path.replace(path)
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        return path

    def discard(self) -> None:
        """Remove the part file; nothing of this download stays."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _rewind(self, start: int) -> None:
        self._file.seek(start)
        self._file.truncate()
        self.have = start

    def _check_limit(self, size: int) -> None:
        if size > self._limit:
            raise DownloadFailed(
                f"the file is larger than the limit of {self._limit} bytes", url=self.url
            )


def _umask() -> int:
    # mkstemp makes private files; a saved result gets what any new file of the user gets.
    current = os.umask(0)
    os.umask(current)
    return current


def _unwritable(folder: Path, error: OSError) -> DownloadFailed:
    return DownloadFailed(f"{folder} can't be written: {error.strerror or error}")
