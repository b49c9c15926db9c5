"""Opens, writes and locks regular files only: no symbolic links, pipes or devices.

Anyone who can write to a folder can replace a file. A link would redirect the bytes, a pipe would
wait for a reader for ever, and a device would swallow them.
"""

from __future__ import annotations

import errno
import io
import os
import secrets
import stat
import time
from contextlib import contextmanager, suppress
from importlib import import_module
from itertools import tee
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path
    from typing import BinaryIO

RENAMES_OPEN_FILES = os.name != "nt"
"""Windows neither renames nor deletes a file that any process has open."""
_SAFE = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
_PAUSES = (0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.4)
"""Seconds; readers that don't last, such as virus scanners, need less than their sum."""
_LOCKED_BYTE = 2**31 - 2
"""On Windows a lock keeps others from reading, so it is on a byte that no file of ours has."""
_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)


def open_regular(path: Path, flags: int, mode: int = 0o666) -> BinaryIO:
    """Open a regular file, or create it, to read, write, or both, as the flags say.

    Raises:
        OSError: the path is no regular file, or the system refuses.
    """
    with suppress(FileNotFoundError):
        _check(path, path.lstat())
    try:
        raw = _open(path, flags | _SAFE, mode)
    except OSError as error:
        # Something else may have been put there in between.
        with suppress(FileNotFoundError):
            _check(path, path.lstat())
        raise error from None
    try:
        _check(path, os.fstat(raw.fileno()))
    except BaseException:
        raw.close()
        raise
    if flags & os.O_RDWR:
        return io.BufferedRandom(raw)
    return io.BufferedWriter(raw) if flags & os.O_WRONLY else io.BufferedReader(raw)


def _open(path: Path, flags: int, mode: int) -> io.FileIO:
    """Open a file in a single call of the interpreter's own code.

    An interrupt comes before or after it, never between the system's call and the object that
    closes the descriptor when nothing refers to it any more.
    """
    kind = "r+b" if flags & os.O_RDWR else "wb" if flags & os.O_WRONLY else "rb"
    opened, again = tee(map(os.open, (path,), (flags,), (mode,)))
    try:
        return next(map(io.FileIO, opened, (kind,)))
    except OSError:
        for number in again:  # there is no file object of a folder
            os.close(number)
        raise


def read(path: Path, limit: int) -> bytes:
    """Read at most `limit` bytes of a regular file.

    Raises:
        OSError: there is none, or the system refuses.
    """
    with open_regular(path, os.O_RDONLY) as file:
        return file.read(limit)


def make_folder(folder: Path) -> None:
    """Make a folder, if it doesn't exist, readable only to its owner.

    Raises:
        OSError: it can't be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextmanager
def temporary(path: Path, content: bytes, *, durable: bool = True) -> Generator[Path]:
    """Write a file beside `path`, to be renamed or linked to it; what is left of it is removed.

    Raises:
        OSError: the system refuses.
    """
    part = path.with_name(f".{path.name}~{secrets.token_hex(8)}.part")
    try:
        with open_regular(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
            file.write(content)
            file.flush()
            if durable:
                flush_to_disk(file.fileno())
        yield part
    finally:
        remove(part)


def flush_to_disk(number: int) -> None:
    """Flush a file, so that it survives a power cut; on macOS, fsync leaves it to the drive.

    Raises:
        OSError: the system refuses.
    """
    with suppress(ImportError, AttributeError, OSError):  # another system, or file system
        fcntl: Any = import_module("fcntl")
        fcntl.fcntl(number, fcntl.F_FULLFSYNC)
        return
    os.fsync(number)


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace a file in one step.

    Raises:
        OSError: the path is a folder, or the system refuses.
    """
    with temporary(path, content, durable=durable) as part:
        replace(part, path)


def replace(part: Path, path: Path) -> None:
    """Rename a closed file over another one, or a folder.

    Raises:
        OSError: the path is a folder, or the system refuses.
    """
    _patiently(lambda: part.replace(path))


def remove(path: Path) -> None:
    """Delete a closed file, if there is one.

    Raises:
        OSError: the system refuses.
    """
    _patiently(lambda: path.unlink(missing_ok=True))


def remove_open(file: BinaryIO, path: Path) -> None:
    """Delete a file that is open, and locked where the system deletes open files.

    Raises:
        OSError: the system refuses.
    """
    if not RENAMES_OPEN_FILES:
        file.close()
    remove(path)


def _patiently(change: Callable[[], object]) -> None:
    """Change a file; on Windows wait while a reader, such as a virus scanner, has it open."""
    for pause in () if RENAMES_OPEN_FILES else _PAUSES:
        try:
            change()
        except PermissionError:
            time.sleep(pause)
        else:
            return
    change()


def try_lock(file: BinaryIO, *, if_unsupported: bool = False) -> bool:
    """Lock an open file until this process closes it; False where another process owns the lock.

    The lock ends with the process, even if it is killed. Forked children don't inherit it.
    `if_unsupported` is returned where the system or the file system has no locks.
    """
    try:
        _lock(file.fileno())
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return if_unsupported
    _locked.add(file)
    return True


def _lock(number: int) -> None:
    try:
        fcntl: Any = import_module("fcntl")
    except ImportError:
        _lock_on_windows(number, import_module("msvcrt"))
    else:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock_on_windows(number: int, msvcrt: Any) -> None:
    before = os.lseek(number, 0, os.SEEK_CUR)
    os.lseek(number, _LOCKED_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
    finally:
        os.lseek(number, before, os.SEEK_SET)


def _check(path: Path, found: os.stat_result) -> None:
    if stat.S_ISREG(found.st_mode):
        return
    kind = next((name for is_one, name in _KINDS if is_one(found.st_mode)), "a device")
    reason = f"{kind} is in the place of the file {path.name}; remove it"
    raise OSError(errno.EEXIST, reason, str(path))


_locked: WeakSet[BinaryIO] = WeakSet()


def _release_in_child() -> None:
    """Release the locks that a forked child inherited.

    A lock belongs to all copies of an open file. If the copy were closed here, a later file would
    get its descriptor while its owner still uses it, so the null device takes its place.
    """
    files = [file for file in _locked if not file.closed]
    if not files:
        return
    null = os.open(os.devnull, os.O_RDWR)
    for file in files:
        os.dup2(null, file.fileno(), inheritable=False)
    os.close(null)


_system: Any = os
if hasattr(_system, "register_at_fork"):
    _system.register_at_fork(after_in_child=_release_in_child)
