"""What makes a batch the same batch: a name that is kept in its folder, and moves with it.

Jobs without keys of their own belong to the batch of their folder, however its path is spelled. A
new batch is named after where its folder is, so that one whose folder was deleted is still known.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes, unquote_to_bytes

from wanflow._storage import directories, regular_file
from wanflow.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

NAME_FILE = ".wanflow-batch"
_COMMENT = "# The name of the batch in this folder. Where the folder goes, the batch goes.\n"
_MAX_SIZE = 65_536


def batch_name(
    directory: Path, former_paths: Callable[[], Iterable[Path]], count_known: Callable[[bytes], int]
) -> bytes:
    """Return the name of a folder's batch; one that has none is given one, durably.

    `places` are other paths at which the folder may have been named, and `known` says how many
    jobs of a name are known: earlier versions named a batch after the path as it was spelled.

    Raises:
        ConfigurationError: the name can't be read or written.
    """
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
    """Choose the name under which most jobs are known; without any, the folder's real path."""
    same = [place for place in former_paths if _is_same(place, directory)]
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
    """Read a name.

    Raises:
        OSError: there is none, or the system refuses.
        ConfigurationError: the file is not whole.
    """
    content = regular_file.read(path, _MAX_SIZE)
    lines = [line for line in content.splitlines() if not line.startswith(b"#")]
    if not content.endswith(b"\n") or len(lines) != 1 or not lines[0]:
        raise ConfigurationError(
            f"{path} doesn't hold the name of a batch, so it can't be said what was paid for "
            "already; nothing was sent. Restore the file, or use another folder"
        )
    return unquote_to_bytes(lines[0])


def _create(path: Path, name: bytes) -> None:
    """Write a name so that it is there whole, on the disk, and only where there is none yet."""
    text = f"{_COMMENT}{quote_from_bytes(name, safe='/ ~:')}\n".encode()
    number, part = tempfile.mkstemp(prefix=f"{NAME_FILE}~", dir=path.parent)
    try:
        _write(number, text)
        try:
            os.link(part, path)
        except FileExistsError:
            return
        except OSError:  # a file system without hard links
            _write(regular_file.opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), text)
    finally:
        Path(part).unlink()
    directories.fsync_dir(path.parent)


def _write(descriptor: int, text: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        regular_file.permit(descriptor, 0o666)
        file.write(text)
        file.flush()
        os.fsync(descriptor)


@contextmanager
def exclusive(output_dir: Path, *, required: bool) -> Generator[None]:
    """Let no other process do the batch of a folder so, where that is wanted.

    Each would spend up to the ceiling: neither counts what the other sends.

    Raises:
        ConfigurationError: another one does.
    """
    if not required:
        yield
        return
    with os.fdopen(regular_file.opened(output_dir / NAME_FILE, os.O_RDONLY), "rb") as file:
        if not _lock(file.fileno()):
            raise ConfigurationError(
                f"the batch in {output_dir} is being done under a ceiling by another process; "
                "a ceiling holds for one at a time. Nothing was sent"
            )
        yield


def _lock(descriptor: int) -> bool:
    try:
        import fcntl  # noqa: PLC0415 - absent on Windows
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
