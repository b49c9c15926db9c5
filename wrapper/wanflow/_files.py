"""Files as they arrive: into a part file that a later run can go on with, then renamed.

A small file is kept in memory until it is whole, or nothing more comes of it.

Beside `.NAME.part` lies `.NAME.part.json` with what the server said to know the file again by.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from wanflow._core.download import Body, Verdict, judge, validator
from wanflow._core.recorder import File
from wanflow._folders import inside, make, sync, unmake
from wanflow.errors import ConfigurationError, DownloadFailed

if TYPE_CHECKING:
    from typing import BinaryIO

    from wanflow._core.effects import Reply

_CHUNK = 64 * 1024
_NOTES_LIMIT = 4096
_PROBE = 4096
# A part of fewer bytes isn't worth a note while it grows; one that is left has its note anyway.
_WORTH_NOTING = 1024 * 1024
# A link that somebody put there must not lead the bytes elsewhere.
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
# So many bytes are kept in memory, and so many are written to a disk without a thread.
_IN_MEMORY = 64 * 1024
_QUICK = 16 * 1024


class PartFile:
    """The sink of one download.

    `have` counts the bytes that came, `total` those of the whole file where the server said so,
    `verdict` is what the last answer's head meant, `validator` what the server knows the file by.
    """

    def __init__(self, folder: Path, stem: str, limit: int) -> None:
        """Begin a file of a name, in memory as long as it is small."""
        self.validator: str | None = None
        self.have = 0
        self.total: int | None = None
        self.content_type = ""
        self.verdict: Verdict | None = None
        self.url = ""
        self._folder = folder
        self._stem = stem
        self._limit = limit
        self._path = _part_path(folder, stem)
        self._file: BinaryIO = io.BytesIO()
        self._on_disk = False
        self._made: tuple[Path, ...] = ()
        self._noted: str | None = None
        self._length = 0

    @property
    def begun(self) -> bool:
        """Whether an earlier run left something of it."""
        return os.path.lexists(self._path)

    def take_up(self) -> None:
        """Go on with what an earlier run left, where it is known how.

        Where another process is at it now, this download gets a part file of its own.

        Raises:
            DownloadFailed: the folder can't be written.
        """
        try:
            self._open()
            self.validator = self._noted = _read_notes(self._notes)
            self._length = self._file.seek(0, os.SEEK_END)
            self.have = self._length if self.validator else 0
        except OSError as error:
            raise _unwritable(self._folder, error) from error

    def slow(self, size: int) -> bool:
        """Tell whether it may take a moment to write so many bytes."""
        return size > _QUICK or (not self._on_disk and self.have + size > _IN_MEMORY)

    def head(self, reply: Reply) -> bool:
        """Take an answer's head; True where its body belongs into this file.

        Raises:
            DownloadFailed: the file would be larger than the limit.
        """
        self.verdict = judge(self.url, reply, self.have, self.validator)
        if not isinstance(self.verdict, Body):
            return False
        self.total = self.verdict.total
        self._check_limit(self.total or 0)
        self.content_type = reply.headers.get("content-type", "")
        self.start_at(self.verdict.start)
        if self.verdict.start == 0:
            self.validator = validator(reply)
            if self._noted is not None:
                self._write_notes()
        return True

    def write(self, chunk: bytes) -> None:
        """Append the next bytes.

        Raises:
            DownloadFailed: the disk refuses them, or they pass the limit.
        """
        self._check_limit(self.have + len(chunk))
        try:
            if not self._on_disk and self.have + len(chunk) > _IN_MEMORY:
                self._to_disk()
            self._file.write(chunk)
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        self.have += len(chunk)
        self._length = self.have
        if self.have >= _WORTH_NOTING:
            self._write_notes()

    @property
    def whole(self) -> bool:
        """Whether all that the server announced is here."""
        return self.total is None or self.have == self.total

    def start_at(self, place: int) -> None:
        """Drop what lies behind a place, and go on from there.

        Raises:
            DownloadFailed: the disk refuses.
        """
        try:
            if place != self._length:
                self._file.seek(place)
                self._file.truncate()
                self._length = place
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        self.have = place

    def keep(self, extension: str) -> Path:
        """Flush to disk, take the final name in one step, and return the path.

        Raises:
            DownloadFailed: the disk refuses.
        """
        path = self._folder / (self._stem + extension)
        try:
            if self._on_disk or not self._put(path):
                self._to_disk()
                with self._file:
                    self._file.flush()
                    os.fsync(self._file.fileno())
                    # A part without notes is begun anew; notes without a part would stay for ever.
                    self._notes.unlink(missing_ok=True)
                    self._path.replace(path)
            sync(self._folder)
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        return path

    @property
    def content(self) -> bytes | None:
        """All of it, where it was never on the disk but whole."""
        return None if self._on_disk else cast("io.BytesIO", self._file).getvalue()

    def _put(self, path: Path) -> bool:
        """Write what is in memory, in as few steps as there can be; False where others are at it.

        Each step of a thread waits for its turn among those of all others.
        """
        opened, self._made = inside(self._folder, self._alone)
        if opened is None:
            return False
        try:
            left = memoryview(cast("io.BytesIO", self._file).getvalue())
            while left:
                left = left[os.write(opened, left) :]
            os.fsync(opened)
            self._path.replace(path)
        except BaseException:
            self._path.unlink(missing_ok=True)
            raise
        finally:
            os.close(opened)
        return True

    def _alone(self) -> int | None:
        try:
            number = os.open(self._path, _FLAGS | os.O_EXCL, 0o666)
        except FileExistsError:
            return None
        if _locked(number):
            return number
        os.close(number)
        return None

    def leave(self) -> None:
        """Close, and leave the part for a later run where one could go on with it."""
        if not (self.have and self.validator):
            self.discard()
            return
        with contextlib.suppress(OSError, DownloadFailed):
            self._to_disk()
            self._write_notes()
            self._file.close()

    def discard(self) -> None:
        """Close and remove the part file; nothing of this download stays."""
        with contextlib.suppress(OSError):
            self._file.close()
        if not self._on_disk:
            return
        for path in (self._path, self._notes):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        unmake(self._made)

    def _to_disk(self) -> None:
        """Put what is in memory into a part file; the folder is made if need be."""
        if self._on_disk:
            return
        memory = cast("io.BytesIO", self._file)
        self._open()
        self._file.truncate(0)
        self._file.write(memory.getbuffer())

    def _open(self) -> None:
        opened, self._made = inside(self._folder, lambda: _opened(self._folder, self._path))
        self._path, self._file = opened
        self._on_disk = True

    @property
    def _notes(self) -> Path:
        return self._path.with_name(self._path.name + ".json")

    def _write_notes(self) -> None:
        """Note what the server knows the file by, where the notes don't say so yet."""
        if self._noted == self.validator:
            return
        text = json.dumps({"validator": self.validator})
        try:
            if self.validator is None:
                self._notes.unlink(missing_ok=True)
            else:
                self._notes.write_text(text, encoding="utf-8")
            self._noted = self.validator
        except OSError as error:
            raise _unwritable(self._folder, error) from error

    def _check_limit(self, size: int) -> None:
        if size > self._limit:
            raise DownloadFailed(
                f"the file is larger than the limit of {self._limit} bytes", url=self.url
            )


def described(place: int, path: Path, content: bytes | None = None) -> File:
    """Say what a record keeps of a file, of which the content is known or read.

    Raises:
        DownloadFailed: it can't be read.
    """
    if content is not None:
        return File(place, path, len(content), sha256(content).hexdigest())
    digest, size = sha256(), 0
    try:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise DownloadFailed(f"{path} can't be read: {error.strerror or error}") from error
    return File(place, path, size, digest.hexdigest())


def prove(folder: Path) -> tuple[Path, ...]:
    """Make a folder if need be, and write a small file there, of no name → the folders made.

    Raises:
        ConfigurationError: the disk refuses it.
    """
    try:
        made = make(folder)
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


def _opened(folder: Path, path: Path) -> tuple[Path, BinaryIO]:
    """Open a part file, or one of another name where a process is at that one."""
    number = os.open(path, _FLAGS, 0o666)
    if _locked(number):
        return path, os.fdopen(number, "r+b")
    os.close(number)
    number, name = tempfile.mkstemp(prefix=f"{path.stem}-", suffix=path.suffix, dir=folder)
    Path(name).chmod(path.stat().st_mode)
    return Path(name), os.fdopen(number, "r+b")


def _locked(number: int) -> bool:
    try:
        import fcntl  # noqa: PLC0415 - absent on Windows
    except ImportError:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _read_notes(path: Path) -> str | None:
    """Read what an earlier run noted; whatever can't be read is as if it weren't there."""
    try:
        notes: Any = json.loads(path.read_text(encoding="utf-8")[:_NOTES_LIMIT])
    except (OSError, ValueError, RecursionError):
        return None
    found: Any = cast("dict[str, Any]", notes).get("validator") if isinstance(notes, dict) else None
    plain = isinstance(found, str) and found.isascii() and found.isprintable()
    return cast("str", found) if plain else None


def _unwritable(folder: Path, error: OSError) -> DownloadFailed:
    return DownloadFailed(f"{folder} can't be written: {error.strerror or error}")
