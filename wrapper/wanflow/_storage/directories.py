"""Directories for files: created, removed again while empty, and flushed to disk."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")


def create(folder: Path) -> tuple[Path, ...]:
    """Create a folder and its parents if needed → the created ones, the deepest first."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(missing)


def open_in(folder: Path, opening: Callable[[], T]) -> tuple[T, tuple[Path, ...]]:
    """Open something in a folder, which is created if needed → that, and the created folders."""
    made: tuple[Path, ...] = ()
    # The folder is missing the first time, or where another download that had created it failed
    # and has just removed it.
    for _ in range(2):
        with suppress(FileNotFoundError):
            return opening(), made
        made = create(folder) or made
    return opening(), made


def remove_empty(made: tuple[Path, ...]) -> None:
    """Remove folders that are still empty."""
    with suppress(OSError):
        for folder in made:
            folder.rmdir()


def fsync_dir(folder: Path) -> None:
    """Make a rename durable, where the system allows opening a folder for that."""
    number = None
    with suppress(OSError):
        # The descriptor is closed even if an interrupt comes just after `open`.
        try:
            number = os.open(folder, os.O_RDONLY)
            os.fsync(number)
        finally:
            if number is not None:
                os.close(number)
