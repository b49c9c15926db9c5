"""The identity of a batch: a name in a file of its output directory, which moves with it.

Jobs without keys belong to the batch of their directory, whatever path leads to it. A new batch
is named after its directory's path, so that it is recognized if the directory was deleted. In
object storage it is named after the URL, and needs no file.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes, unquote_to_bytes

from wanflow import _regular_file as regular_file
from wanflow._paths import ObjectPath
from wanflow._storage import directories
from wanflow.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

NAME_FILE = ".wanflow-batch"
_COMMENT = "# The name of the batch in this directory. It moves with the directory.\n"
_MAX_SIZE = 65_536
_PAUSES = (0.01, 0.05, 0.2, 0.5)
"""Seconds to wait for a name that another process is writing, where that isn't done in one step."""


def batch_name(
    directory: Path, former_paths: Callable[[], Iterable[Path]], count_known: Callable[[bytes], int]
) -> bytes:
    """Return the name of the batch in a directory; create it durably if there is none.

    Earlier versions named a batch after the path as it was given: `former_paths` are paths that
    the ledger knows, and `count_known` returns the number of recorded jobs of a name.

    Raises:
        ConfigurationError: the name can't be read or written.
    """
    if isinstance(directory, ObjectPath):
        return os.fsencode(directory)
    path = directory / NAME_FILE
    try:
        with suppress(FileNotFoundError):
            return _read(path)
        _create(path, _choose_name(directory, former_paths(), count_known))
        return _read(path)
    except OSError as error:
        raise ConfigurationError(
            f"{path} can't be used: {error.strerror}; nothing was sent"
        ) from error


def _choose_name(
    directory: Path, former_paths: Iterable[Path], count_known: Callable[[bytes], int]
) -> bytes:
    """Return the name with the most recorded jobs, by default the directory's real path."""
    same = [path for path in former_paths if _is_same(path, directory)]
    names = dict.fromkeys(
        os.fsencode(one) for one in (directory.resolve(), directory.absolute(), *same)
    )
    return max(names, key=count_known)


def _is_same(path: Path, directory: Path) -> bool:
    try:
        return path.samefile(directory)
    except (OSError, ValueError):
        return False


def _read(path: Path) -> bytes:
    """Read the name.

    Raises:
        OSError: the file doesn't exist or can't be read.
        ConfigurationError: the file is damaged.
    """
    content = b""
    for pause in _PAUSES:
        content = regular_file.read(path, _MAX_SIZE)
        if content.endswith(b"\n"):
            break
        time.sleep(pause)
    lines = [line for line in content.splitlines() if not line.startswith(b"#")]
    if not content.endswith(b"\n") or len(lines) != 1 or not lines[0]:
        raise ConfigurationError(
            f"{path} doesn't contain the name of a batch, so jobs that were already charged can't "
            "be recognized; nothing was sent. Restore the file, or use another directory"
        )
    return unquote_to_bytes(lines[0])


def _create(path: Path, name: bytes) -> None:
    """Write the name atomically and durably, unless the file exists."""
    text = f"{_COMMENT}{quote_from_bytes(name, safe='/ ~:')}\n".encode()
    with regular_file.temporary(path, text) as part:
        try:
            _place(part, path, text)
        except FileExistsError:
            return
    directories.fsync_dir(path.parent)


def _place(part: Path, path: Path, text: bytes) -> None:
    """Give a written file its name.

    Raises:
        FileExistsError: another one has it.
        OSError: the system refuses.
    """
    if not regular_file.RENAMES_OPEN_FILES:
        part.rename(path)  # on Windows, which replaces no file by this
        return
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with regular_file.open_regular(path, flags) as file:
            file.write(text)
            file.flush()
            regular_file.flush_to_disk(file.fileno())


@contextmanager
def exclusive(output_dir: Path, *, required: bool) -> Generator[None]:
    """Lock the batch of a directory against other processes, if `required`.

    Two processes would each spend up to the credit limit, without counting the other's jobs. The
    lock of a batch in object storage is a file in the system's temporary directory.

    Raises:
        ConfigurationError: another process has the lock.
    """
    if not required:
        yield
        return
    flags = os.O_RDWR | os.O_CREAT if isinstance(output_dir, ObjectPath) else os.O_RDONLY
    with regular_file.open_regular(_lock_file(output_dir), flags, 0o600) as file:
        if not regular_file.try_lock(file, if_unsupported=True):
            raise ConfigurationError(
                f"another process runs the batch in {output_dir} with a credit limit, "
                "which allows only one process at a time; nothing was sent"
            )
        yield


def _lock_file(output_dir: Path) -> Path:
    if not isinstance(output_dir, ObjectPath):
        return output_dir / NAME_FILE
    # Users have locks of their own: none can open another's file.
    name = f"{Path.home()} {output_dir}"
    return Path(gettempdir()) / f"wanflow-batch-{sha256(os.fsencode(name)).hexdigest()[:32]}"
