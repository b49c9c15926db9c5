"""Downloads to a part file, which a later run can resume, and which is renamed when complete.

`.NAME.part.json` beside `.NAME.part` stores the validator (ETag or date) of the file.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import tempfile
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

from wanflow import _regular_file as regular_file
from wanflow._core.file_formats import BEGINNING
from wanflow._core.recorder import File
from wanflow._paths import real_path
from wanflow._storage.directories import create, fsync_dir, open_in, remove_empty
from wanflow._storage.download_buffer import DownloadBuffer
from wanflow._storage.placing import place
from wanflow.errors import ConfigurationError, DownloadFailed

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from wanflow._storage.temporary import TemporaryDownload

__all__ = [
    "PartFile",
    "check_writable",
    "file_info",
    "has_parts",
    "part_file",
    "read_file",
    "remove_empty",
    "temporary_folder",
]

_SUFFIX = ".part"
_CHUNK = 64 * 1024
_SIDECAR_LIMIT = 4096
_PROBE = 4096
_USUAL_NAME = ".wanflow-".ljust(64, "x")
"""As long as the names of most part files."""
# Smaller parts get their sidecar file only when the download is suspended.
_MIN_SIDECAR_SIZE = 1024 * 1024
_FLAGS = os.O_RDWR | os.O_CREAT


class PartFile(DownloadBuffer):
    """The sink of one download to a directory; implements `wanflow._core.storage.Part`."""

    abandonable = False

    def __init__(self, folder: Path, stem: str, limit: int, names: tuple[str, ...] = ()) -> None:
        """Begin a file, in memory as long as it is small."""
        super().__init__(limit)
        self._folder = folder
        self._names = names or (stem,)
        self._path = _part_path(folder, stem)
        self._created_dirs: tuple[Path, ...] = ()
        self._saved_validator: str | None = None
        self._final_path: Path | None = None

    @property
    def _place(self) -> str:
        return str(self._folder)

    @property
    def exists(self) -> bool:
        """Whether an earlier run left a part file."""
        return os.path.lexists(self._path)

    @property
    def content(self) -> bytes | None:
        """The complete content, where no part of it was written to a part file."""
        return bytes(self._buffer) if self._file is None else None

    def resume(self) -> None:
        """Resume from the part file of an earlier run, if there is one with a validator.

        Where another process owns it, this download gets a part file of its own.

        Raises:
            DownloadFailed: the folder can't be written.
        """
        if not self.exists:
            return
        with self._translate_errors():
            file = self._open()
            self.validator = self._saved_validator = _read_sidecar(self._sidecar)
            if self.validator is not None:
                self._written = file.seek(0, os.SEEK_END)
                file.seek(0)
                self._beginning = file.read(BEGINNING)

    def commit(self, extension: str) -> Path:
        """Flush to disk, rename to the final name in one step, and return the path.

        Raises:
            DownloadFailed: the file can't be written.
        """
        paths = [self._folder / (name + extension) for name in self._names]
        self._final_path = paths[0]
        with self._translate_errors():
            if self._file is not None or not self._write_small(paths):
                self._rename(self._flush(), paths)
            fsync_dir(self._folder)
        return self._final_path

    def file_info(self, index: int, path: Path) -> File:
        """Return the size and checksum of the committed file for a record."""
        return file_info(index, path, self.content)

    def suspend(self) -> None:
        """Close; keep the part file where a later run could resume it."""
        if self._final_path is not None and not self.exists:
            self.close()  # the error came after the rename
            return
        if not (self.size and self.validator):
            self.discard()
            return
        with contextlib.suppress(OSError):
            self._flush()
            self._write_sidecar()
        self.close()

    def discard(self) -> None:
        """Close and remove the part file, its sidecar file, and folders created for them."""
        if self._file is None:
            return
        self.close()
        for path in (self._path, self._sidecar):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        remove_empty(self._created_dirs)

    def _rename(self, file: BinaryIO, paths: list[Path]) -> None:
        file.flush()
        os.fsync(file.fileno())
        # A part without a sidecar file is downloaded anew; a sidecar without a part would stay.
        with contextlib.suppress(OSError):
            self._sidecar.unlink(missing_ok=True)
        self._final_path = place(file, self._path, paths)
        self.close()

    def _write_small(self, paths: list[Path]) -> bool:
        """Write a file that is all in memory; False where another process owns the part file.

        It takes few system calls, since each waits for the GIL among all threads.
        """
        opened, self._created_dirs = open_in(self._folder, self._open_exclusively)
        if opened is None:
            return False
        with opened:
            try:
                left = memoryview(bytes(self._buffer))
                while left:
                    left = left[os.write(opened.fileno(), left) :]
                os.fsync(opened.fileno())
                self._final_path = place(opened, self._path, paths)
            except BaseException:
                regular_file.remove_open(opened, self._path)
                raise
        return True

    def _open_exclusively(self) -> BinaryIO | None:
        try:
            file = regular_file.open_regular(self._path, _FLAGS | os.O_EXCL)
        except FileExistsError:
            return None
        if regular_file.try_lock(file):
            return file
        file.close()
        return None

    def _before_writing(self) -> None:
        if self._saved_validator != self.validator and (
            self._saved_validator or self._needs_sidecar
        ):
            self._write_sidecar()

    @property
    def _needs_sidecar(self) -> bool:
        return self.size >= _MIN_SIDECAR_SIZE

    def _open(self) -> BinaryIO:
        opened, self._created_dirs = open_in(
            self._folder, lambda: _open_part(self._folder, self._path)
        )
        self._path, self._file = opened
        return self._file

    @property
    def _sidecar(self) -> Path:
        return self._path.with_name(self._path.name + ".json")

    def _write_sidecar(self) -> None:
        """Write the validator to the sidecar file; one of another file never stays.

        Raises:
            OSError: the old one can be neither changed nor removed.
        """
        try:
            if self.validator is not None:
                text = json.dumps({"validator": self.validator})
                regular_file.write_atomically(self._sidecar, text.encode(), durable=False)
            else:
                self._sidecar.unlink(missing_ok=True)
        except OSError:
            # Without a sidecar file the part is downloaded anew; nothing else is lost.
            if self._saved_validator is not None:
                self._sidecar.unlink(missing_ok=True)
        self._saved_validator = self.validator


def part_file(folder: Path, stem: str, limit: int, names: tuple[str, ...] = ()) -> PartFile:
    """Make the sink of a file, which is in memory as long as it is small."""
    return PartFile(folder, stem, limit, names)


def read_file(path: Path, largest: int) -> bytes | None:
    """Read a user's file; None where it has more than `largest` bytes.

    A symbolic link is followed; what it leads to must be a regular file.

    Raises:
        OSError: it can't be read, or is a folder, a pipe or a device.
        ValueError: no file can have this path.
    """
    real = real_path(path, strict=True)
    if not real.is_file():
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    with regular_file.open_regular(real, os.O_RDONLY) as file:
        return None if os.fstat(file.fileno()).st_size > largest else file.read()


def file_info(index: int, path: Path, content: bytes | None = None) -> File:
    """Return the size and checksum of a file for a record; it is read unless `content` is given.

    Raises:
        DownloadFailed: it can't be read.
    """
    if content is not None:
        return File(index, path, len(content), sha256(content).hexdigest())
    digest, size = sha256(), 0
    try:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise DownloadFailed(f"{path} can't be read: {error.strerror or error}") from error
    return File(index, path, size, digest.hexdigest())


def temporary_folder() -> TemporaryDownload:
    """Make a folder for one file that is not kept."""
    from wanflow._storage.temporary import TemporaryDownload  # noqa: PLC0415 - rarely used

    return TemporaryDownload()


def check_writable(folder: Path) -> tuple[Path, ...]:
    """Create a folder if needed, and test that it can be written → the created folders.

    Raises:
        ConfigurationError: it can't be.
    """
    try:
        made = create(folder)
        with contextlib.suppress(FileNotFoundError):
            (folder / _USUAL_NAME).lstat()  # the path may be too long
        # The test file has no name, so that a killed process leaves none behind; on Windows it
        # has one, which may be too long.
        with tempfile.TemporaryFile(dir=folder, buffering=0, prefix=_USUAL_NAME) as probe:
            probe.write(bytes(_PROBE))
            os.fsync(probe.fileno())
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(
            f"{folder} can't be written: {reason}; nothing was sent"
        ) from error
    return made


def has_parts(folder: Path) -> bool:
    """Return whether a folder has part files, as far as it can be read."""
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.endswith(_SUFFIX) for entry in entries)
    except OSError:
        return True


def _part_path(folder: Path, stem: str) -> Path:
    return folder / f".{stem}{_SUFFIX}"


def _open_part(folder: Path, path: Path) -> tuple[Path, BinaryIO]:
    """Open a part file, or one of another name where a process owns that one."""
    file = regular_file.open_regular(path, _FLAGS)
    # A second hard link may be a backup, which must not be written to.
    if os.fstat(file.fileno()).st_nlink <= 1 and regular_file.try_lock(file):
        return path, file
    file.close()
    own = folder / f"{path.stem}~{secrets.token_hex(8)}{path.suffix}"
    return own, regular_file.open_regular(own, _FLAGS | os.O_EXCL)


def _read_sidecar(path: Path) -> str | None:
    """Read the validator that an earlier run stored; None where it can't be read."""
    try:
        notes: Any = json.loads(regular_file.read(path, _SIDECAR_LIMIT).decode())
    except (OSError, ValueError, RecursionError):
        return None
    found: Any = cast("dict[str, Any]", notes).get("validator") if isinstance(notes, dict) else None
    plain = isinstance(found, str) and found.isascii() and found.isprintable()
    return cast("str", found) if plain else None
