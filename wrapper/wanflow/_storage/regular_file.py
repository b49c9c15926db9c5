"""Regular files and nothing else: opened without following a link, or waiting for a pipe.

Whoever can write a folder can put anything in a file's place. A link would lead the bytes
elsewhere, a pipe would wait for a reader for ever, and a device takes what it is given.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from typing import BinaryIO

_SAFE = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)


def opened(path: Path, flags: int, mode: int = 0o666) -> int:
    """Open a regular file, or make it → its number.

    Raises:
        OSError: something else is in its place, or the system refuses.
    """
    with suppress(FileNotFoundError):
        _check(path, path.lstat())
    try:
        number = os.open(path, flags | _SAFE, mode)
    except OSError as error:
        # What was put there just now.
        with suppress(FileNotFoundError):
            _check(path, path.lstat())
        raise error from None
    try:
        _check(path, os.fstat(number))
    except BaseException:
        os.close(number)
        raise
    return number


def read(path: Path, limit: int) -> bytes:
    """Read the beginning of a regular file.

    Raises:
        OSError: there is none, or the system refuses.
    """
    with os.fdopen(opened(path, os.O_RDONLY), "rb") as file:
        return file.read(limit)


def replace(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file so that it is there whole or as it was.

    Raises:
        OSError: a folder is in its place, or the system refuses.
    """
    number, name = tempfile.mkstemp(prefix=f".{path.name}~", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            permit(file.fileno(), 0o666)
            if durable:
                os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def permit(number: int, mode: int) -> None:
    """Give a file the rights that it would have if `mkstemp` gave more than its owner's."""
    if hasattr(os, "fchmod"):
        os.fchmod(number, mode & ~_umask())


def lock(file: BinaryIO) -> bool:
    """Lock an open file for as long as it is open in this process; False where another has it.

    The lock ends with the process, however sudden its end, and no process that is forked off
    meanwhile keeps it.
    """
    try:
        import fcntl  # noqa: PLC0415 - absent on Windows
    except ImportError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    _locked.add(file)
    return True


def _check(path: Path, found: os.stat_result) -> None:
    if stat.S_ISREG(found.st_mode):
        return
    kind = next((name for is_one, name in _KINDS if is_one(found.st_mode)), "a device")
    reason = f"{kind} is in the place of the file {path.name}; remove it"
    raise OSError(errno.EEXIST, reason, str(path))


def _umask() -> int:
    """Read the umask, which can't be read without being set; Linux says it elsewhere."""
    with suppress(OSError, ValueError), Path("/proc/self/status").open(encoding="ascii") as lines:
        for line in lines:
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


_locked: WeakSet[BinaryIO] = WeakSet()


def _release_in_child() -> None:
    """Let go of the locks of the process that this one was forked off.

    A lock belongs to all copies of an open file. Closing ours under its owner's feet would have a
    later file get its number, so another file takes its place.
    """
    files = [file for file in _locked if not file.closed]
    if not files:
        return
    null = os.open(os.devnull, os.O_RDWR)
    for file in files:
        os.dup2(null, file.fileno(), inheritable=False)
    os.close(null)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_in_child)
