"""Opens, writes and locks regular files only: no symbolic links, pipes or devices.

Anyone who can write to a folder can replace a file. A link would redirect the bytes, a pipe would
wait for a reader for ever, and a device would swallow them.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Generator
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


def open_regular(path: Path, flags: int, mode: int = 0o666) -> int:
    """Open a regular file, or create it → its descriptor.

    Raises:
        OSError: the path is no regular file, or the system refuses.
    """
    with suppress(FileNotFoundError):
        _check(path, path.lstat())
    try:
        number = os.open(path, flags | _SAFE, mode)
    except OSError as error:
        # Something else may have been put there in between.
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
    """Read at most `limit` bytes of a regular file.

    Raises:
        OSError: there is none, or the system refuses.
    """
    with os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
        return file.read(limit)


@contextmanager
def temporary(path: Path, content: bytes, *, durable: bool = True) -> Generator[Path]:
    """Write a file beside `path`, to be renamed or linked to it; what is left of it is removed.

    Raises:
        OSError: the system refuses.
    """
    number, name = tempfile.mkstemp(prefix=f".{path.name}~", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            apply_umask(file.fileno(), 0o666)
            if durable:
                os.fsync(file.fileno())
        yield part
    finally:
        part.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace a file in one step.

    Raises:
        OSError: the path is a folder, or the system refuses.
    """
    with temporary(path, content, durable=durable) as part:
        part.replace(path)


def apply_umask(number: int, mode: int) -> None:
    """Give a file of `mkstemp` the permissions that `open` would give: `mode` without the umask."""
    if hasattr(os, "fchmod"):
        os.fchmod(number, mode & ~_umask())


def try_lock(file: BinaryIO, *, if_unsupported: bool = False) -> bool:
    """Lock an open file until this process closes it; False where another process owns the lock.

    The lock ends with the process, even if it is killed. Forked children don't inherit it.
    `if_unsupported` is returned where the system or the file system has no locks.
    """
    try:
        import fcntl  # noqa: PLC0415 - absent on Windows
    except ImportError:
        return if_unsupported
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return if_unsupported
    _locked.add(file)
    return True


def _check(path: Path, found: os.stat_result) -> None:
    if stat.S_ISREG(found.st_mode):
        return
    kind = next((name for is_one, name in _KINDS if is_one(found.st_mode)), "a device")
    reason = f"{kind} is in the place of the file {path.name}; remove it"
    raise OSError(errno.EEXIST, reason, str(path))


def _umask() -> int:
    """Read the umask. The system call must set it to read it; Linux also shows it in /proc."""
    with suppress(OSError, ValueError), Path("/proc/self/status").open(encoding="ascii") as lines:
        for line in lines:
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


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


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_in_child)
