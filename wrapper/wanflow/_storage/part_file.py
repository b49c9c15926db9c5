"""Files as they arrive: into a part file that a later run can go on with, then renamed.

What comes is gathered in memory and written in large pieces, so that a small file is nowhere until
it is whole, and only `write`s that are told to be `slow` touch the disk.

Beside `.NAME.part` lies `.NAME.part.json` with what the server said to know the file again by.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from wanflow._core.content_coding import Decoder
from wanflow._core.download_rules import Content, ResponseKind, classify, validator
from wanflow._core.effects import TransportError
from wanflow._core.file_formats import BEGINNING
from wanflow._core.recorder import File
from wanflow._storage import regular_file
from wanflow._storage.directories import create, fsync_dir, open_in, remove_empty
from wanflow.errors import ConfigurationError, DownloadFailed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import BinaryIO

    from wanflow._core.effects import Response

__all__ = ["PartFile", "check_writable", "file_info", "part_file", "read_file", "remove_empty"]

_CHUNK = 64 * 1024
_NOTES_LIMIT = 4096
_PROBE = 4096
# A part of fewer bytes isn't worth a note while it grows; one that is left has its note anyway.
_WORTH_NOTING = 1024 * 1024
_FLAGS = os.O_RDWR | os.O_CREAT
# So many bytes are gathered in memory before they are written.
_IN_MEMORY = 64 * 1024


class PartFile:
    """The sink of one download: `wanflow._core.storage` says what each method is for.

    `have` counts the bytes that came, `total` those of the whole file where the server said so,
    `verdict` is what the last answer's head meant, `validator` what the server knows the file by.
    """

    def __init__(self, folder: Path, stem: str, limit: int) -> None:
        """Begin a file of a name, in memory as long as it is small."""
        self.validator: str | None = None
        self.total: int | None = None
        self.content_type = ""
        self.response_kind: ResponseKind | None = None
        self.response: Response | None = None
        self.url = ""
        self._folder = folder
        self._stem = stem
        self._limit = limit
        self._path = _part_path(folder, stem)
        # The bytes that are on the disk, and those that come after them.
        self._file: BinaryIO | None = None
        self._written = 0
        self._gathered = bytearray()
        self._beginning = b""
        self._decoder = Decoder(())
        self._made: tuple[Path, ...] = ()
        self._noted: str | None = None
        self._kept_as: Path | None = None

    @property
    def size(self) -> int:
        """How many bytes came."""
        return self._written + len(self._gathered)

    @property
    def exists(self) -> bool:
        """Whether an earlier run left something of it."""
        return os.path.lexists(self._path)

    @property
    def complete(self) -> bool:
        """Whether all that the server announced is here."""
        return self._decoder.finished and (self.total is None or self.size == self.total)

    @property
    def beginning(self) -> bytes:
        """The first bytes, as many as a format is told by."""
        return self._beginning

    @property
    def content(self) -> bytes | None:
        """All of it, where it was never on the disk but whole."""
        return bytes(self._gathered) if self._file is None else None

    def resume(self) -> None:
        """Go on with what an earlier run left, if it left anything, where it is known how.

        Where another process is at it now, this download gets a part file of its own.

        Raises:
            DownloadFailed: the folder can't be written.
        """
        if not self.exists:
            return
        with self._writing():
            file = self._open()
            self.validator = self._noted = _read_notes(self._notes)
            if self.validator is not None:
                self._written = file.seek(0, os.SEEK_END)
                file.seek(0)
                self._beginning = file.read(BEGINNING)

    def blocks(self, size: int) -> bool:
        """Tell whether so many bytes will be written to the disk, or take time to decode."""
        return len(self._gathered) + size > _IN_MEMORY or self._encoded

    @property
    def _encoded(self) -> bool:
        return isinstance(self.response_kind, Content) and bool(self.response_kind.codings)

    def start(self, response: Response) -> bool:
        """Take an answer's head; True where its body belongs into this file.

        Raises:
            DownloadFailed: the file would be larger than the limit.
        """
        self.response = response
        self.response_kind = classify(self.url, response, self.size, self.validator)
        if not isinstance(self.response_kind, Content):
            return False
        self.total = self.response_kind.total
        self._check_limit(self.total or 0)
        self.content_type = response.headers.get("content-type", "")
        if self.response_kind.start == 0:
            self.start_over()
            self.validator = None if self.response_kind.codings else validator(response)
            self._decoder = Decoder(self.response_kind.codings)
        return True

    def write(self, chunk: bytes) -> None:
        """Append the next bytes.

        Raises:
            DownloadFailed: the disk refuses them, or they pass the limit.
            Fault: they can't be decoded.
        """
        for piece in self._decoded(chunk):
            self._check_limit(self.size + len(piece))
            if len(self._beginning) < BEGINNING:
                self._beginning += piece[: BEGINNING - len(self._beginning)]
            self._gathered += piece
            if len(self._gathered) > _IN_MEMORY:
                with self._writing():
                    self._flush()

    def start_over(self) -> None:
        """Forget all that came, and what it was known by; on the disk it is when more comes."""
        self._written = 0
        self._gathered.clear()
        self._beginning = b""
        self._decoder = Decoder(())
        self.validator = None

    def commit(self, extension: str) -> Path:
        """Flush to disk, take the final name in one step, and return the path.

        Raises:
            DownloadFailed: the disk refuses.
        """
        path = self._kept_as = self._folder / (self._stem + extension)
        with self._writing():
            if self._file is not None or not self._write_small(path):
                self._rename(self._flush(), path)
            fsync_dir(self._folder)
        return path

    def suspend(self) -> None:
        """Close, and leave the part for a later run where one could go on with it."""
        if self._kept_as is not None and not self.exists:
            self.close()  # what broke it off came when it had its name already
            return
        if not (self.size and self.validator):
            self.discard()
            return
        with contextlib.suppress(OSError):
            self._flush()
            self._write_notes()
        self.close()

    def close(self) -> None:
        """Close the part file, where nothing else has; what is on the disk stays."""
        if self._file is not None and not self._file.closed:
            with contextlib.suppress(OSError):
                self._file.close()

    def discard(self) -> None:
        """Close and remove the part file; nothing of this download stays."""
        if self._file is None:
            return
        self.close()
        for path in (self._path, self._notes):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        remove_empty(self._made)

    def _decoded(self, chunk: bytes) -> Iterator[bytes]:
        try:
            yield from self._decoder.decode(chunk)
        except ValueError as error:
            raise TransportError(str(error), maybe_sent=True) from error

    def _rename(self, file: BinaryIO, path: Path) -> None:
        file.flush()
        os.fsync(file.fileno())
        # A part without notes is begun anew; notes without a part would stay for ever.
        with contextlib.suppress(OSError):
            self._notes.unlink(missing_ok=True)
        self._path.replace(path)
        self.close()

    def _write_small(self, path: Path) -> bool:
        """Write what is in memory, in as few steps as there can be; False where others are at it.

        Each step of a thread waits for its turn among those of all others.
        """
        opened, self._made = open_in(self._folder, self._open_exclusively)
        if opened is None:
            return False
        with opened:
            try:
                left = memoryview(bytes(self._gathered))
                while left:
                    left = left[os.write(opened.fileno(), left) :]
                os.fsync(opened.fileno())
                self._path.replace(path)
            except BaseException:
                self._path.unlink(missing_ok=True)
                raise
        return True

    def _open_exclusively(self) -> BinaryIO | None:
        try:
            file = os.fdopen(os.open(self._path, _FLAGS | os.O_EXCL, 0o666), "r+b", buffering=0)
        except FileExistsError:
            return None
        if regular_file.lock(file):
            return file
        file.close()
        return None

    def _flush(self) -> BinaryIO:
        """Write what was gathered behind what is on the disk; the folder is made if need be."""
        file = self._open() if self._file is None else self._file
        if file.seek(0, os.SEEK_END) != self._written:
            file.seek(self._written)
            file.truncate()
        if self._noted != self.validator and (self._noted or self._worth_noting):
            self._write_notes()
        file.write(self._gathered)
        self._written += len(self._gathered)
        self._gathered.clear()
        return file

    @property
    def _worth_noting(self) -> bool:
        return self.size >= _WORTH_NOTING

    def _open(self) -> BinaryIO:
        opened, self._made = open_in(self._folder, lambda: _open_part(self._folder, self._path))
        self._path, self._file = opened
        return self._file

    @property
    def _notes(self) -> Path:
        return self._path.with_name(self._path.name + ".json")

    def _write_notes(self) -> None:
        """Note what the server knows the file by; notes of another file never stay.

        Raises:
            OSError: what is noted can be neither changed nor removed.
        """
        try:
            if self.validator is not None:
                text = json.dumps({"validator": self.validator})
                regular_file.replace(self._notes, text.encode(), durable=False)
            else:
                self._notes.unlink(missing_ok=True)
        except OSError:
            # Without notes the part is begun anew, which costs a download and no file.
            if self._noted is not None:
                self._notes.unlink(missing_ok=True)
        self._noted = self.validator

    def _check_limit(self, size: int) -> None:
        if size > self._limit:
            raise DownloadFailed(
                f"the file is larger than the limit of {self._limit} bytes", url=self.url
            )

    @contextlib.contextmanager
    def _writing(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise DownloadFailed(
                f"{self._folder} can't be written: {error.strerror or error}"
            ) from error


def part_file(folder: Path, stem: str, limit: int) -> PartFile:
    """Make the sink of a file, which is in memory as long as it is small."""
    return PartFile(folder, stem, limit)


def read_file(path: Path, largest: int) -> bytes | None:
    """Read a file of the user's; None where it has more bytes than that.

    Raises:
        OSError: it can't be read.
    """
    return None if path.stat().st_size > largest else path.read_bytes()


def file_info(index: int, path: Path, content: bytes | None = None) -> File:
    """Say what a record keeps of a file, of which the content is known or read.

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


def check_writable(folder: Path) -> tuple[Path, ...]:
    """Make a folder if need be, and write a small file there, of no name → the folders made.

    Raises:
        ConfigurationError: the disk refuses it.
    """
    try:
        made = create(folder)
        # It has no name, so that a process that is killed leaves none behind.
        with tempfile.TemporaryFile(dir=folder, buffering=0) as probe:
            probe.write(bytes(_PROBE))
            os.fsync(probe.fileno())
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(
            f"{folder} can't be written: {reason}; nothing was sent"
        ) from error
    return made


def _part_path(folder: Path, stem: str) -> Path:
    return folder / f".{stem}.part"


def _open_part(folder: Path, path: Path) -> tuple[Path, BinaryIO]:
    """Open a part file, or one of another name where a process is at that one."""
    file = os.fdopen(regular_file.opened(path, _FLAGS), "r+b")
    # A backup may be the same file under another name, and is nobody's to write into.
    if os.fstat(file.fileno()).st_nlink <= 1 and regular_file.lock(file):
        return path, file
    file.close()
    number, name = tempfile.mkstemp(prefix=f"{path.stem}~", suffix=path.suffix, dir=folder)
    own = os.fdopen(number, "r+b")
    regular_file.permit(number, 0o666)
    return Path(name), own


def _read_notes(path: Path) -> str | None:
    """Read what an earlier run noted; whatever can't be read is as if it weren't there."""
    try:
        notes: Any = json.loads(regular_file.read(path, _NOTES_LIMIT).decode())
    except (OSError, ValueError, RecursionError):
        return None
    found: Any = cast("dict[str, Any]", notes).get("validator") if isinstance(notes, dict) else None
    plain = isinstance(found, str) and found.isascii() and found.isprintable()
    return cast("str", found) if plain else None
