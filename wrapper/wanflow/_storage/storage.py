"""Where files are saved, by the directory that a user named: on the disk, or in object storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow import _regular_file as regular_file
from wanflow._paths import ObjectPath
from wanflow._storage import part_file as disk
from wanflow._storage.part_file import read_file, remove_empty, temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from wanflow._core.storage import Part

__all__ = [
    "check_writable",
    "file_sizes",
    "may_resume",
    "part_file",
    "read_file",
    "remove_empty",
    "temporary_folder",
    "write_file",
]


def part_file(directory: Path, stem: str, limit: int, names: tuple[str, ...] = ()) -> Part:
    """Make the sink of a file, which is in memory as long as it is small."""
    if not isinstance(directory, ObjectPath):
        return disk.PartFile(directory, stem, limit, names)
    from wanflow._storage.object_store import ObjectPart  # noqa: PLC0415 - the extra

    return ObjectPart(directory, stem, limit, names)


def check_writable(directory: Path) -> tuple[Path, ...]:
    """Create a directory if needed, and test that it can be written → the created directories.

    Raises:
        ConfigurationError: it can't be.
        StorageFailed: the object storage can't be reached, or rejects an object.
    """
    if not isinstance(directory, ObjectPath):
        return disk.check_writable(directory)
    from wanflow._storage import object_store  # noqa: PLC0415 - the extra

    object_store.check_writable(directory)
    return ()


def may_resume(directory: Path) -> bool:
    """Return whether a download to a directory has to ask what an earlier run left of it."""
    return isinstance(directory, ObjectPath) or disk.has_parts(directory)


def write_file(path: Path, content: bytes) -> None:
    """Write a small file, in one step, in place of one of this name.

    Raises:
        OSError: the system refuses.
        StorageFailed: the object storage can't be reached, or rejects it.
    """
    if isinstance(path, ObjectPath):
        from wanflow._storage.object_store import write_object  # noqa: PLC0415 - the extra

        write_object(path, content)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        regular_file.write_atomically(path, content, durable=False)


def file_sizes(paths: Iterable[Path]) -> dict[Path, int]:
    """Return the sizes of those files that there are.

    Raises:
        StorageFailed: the object storage can't be reached, or rejects a request.
    """
    paths = dict.fromkeys(paths)
    objects = [path for path in paths if isinstance(path, ObjectPath)]
    sizes: dict[Path, int] = {}
    if objects:
        from wanflow._storage.object_store import object_sizes  # noqa: PLC0415 - the extra

        sizes.update(object_sizes(objects))
    for path in paths:
        size = None if isinstance(path, ObjectPath) else _size(path)
        if size is not None:
            sizes[path] = size
    return sizes


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
