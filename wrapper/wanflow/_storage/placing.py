"""Gives a complete file its name, without replacing a file that isn't its own."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from wanflow import _regular_file as regular_file

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

_CHUNK = 64 * 1024


def place(file: BinaryIO, part: Path, paths: list[Path]) -> Path:
    """Rename an open file to the first path that no other file has, and return that path.

    A file with the same content is the same file. What is at the last path is replaced.

    Raises:
        OSError: the system refuses; the file may be closed.
    """
    if regular_file.RENAMES_OPEN_FILES:
        return _place(part, paths)
    # Without its lock the file needs a name that no other process uses.
    file.close()
    own = part.with_name(f"{part.name}~{secrets.token_hex(8)}")
    regular_file.replace(part, own)
    try:
        return _place(own, paths)
    finally:
        with suppress(OSError):  # a later run may resume it
            own.rename(part)


def _place(part: Path, paths: list[Path]) -> Path:
    for path in paths[:-1]:
        if _link(part, path) or _is_same(part, path):
            regular_file.remove(part)
            return path
    regular_file.replace(part, paths[-1])
    return paths[-1]


def _link(part: Path, path: Path) -> bool:
    """Give a file a second name; False if a file has that name."""
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        return _replace_new(part, path)
    return True


def _replace_new(part: Path, path: Path) -> bool:
    """Create an empty file at a path and replace it; False if there is a file."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    try:
        regular_file.replace(part, path)
    except OSError:  # after an interrupt, the complete file may be there
        regular_file.remove(path)
        raise
    return True


def _is_same(part: Path, path: Path) -> bool:
    """Whether a regular file has the same content."""
    try:
        there = regular_file.open_regular(path, os.O_RDONLY)
    except OSError:
        return False
    with there as other, part.open("rb") as one:
        if os.fstat(one.fileno()).st_size != os.fstat(other.fileno()).st_size:
            return False
        while chunk := one.read(_CHUNK):
            if other.read(_CHUNK) != chunk:
                return False
    return True
