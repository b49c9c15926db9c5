"""Folders that are made for files, taken away again where no file came to be, and synced."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")


def create(folder: Path) -> tuple[Path, ...]:
    """Make a folder with its parents if need be → those that were made, the deepest first."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(missing)


def open_in(folder: Path, opening: Callable[[], T]) -> tuple[T, tuple[Path, ...]]:
    """Open something in a folder, which is made if need be → that, and the folders made."""
    made: tuple[Path, ...] = ()
    # The folder is there but for the first time, and where somebody else, who had made it and
    # came to nothing, took it away just now.
    for _ in range(2):
        with suppress(FileNotFoundError):
            return opening(), made
        made = create(folder) or made
    return opening(), made


def remove_empty(made: tuple[Path, ...]) -> None:
    """Take folders away that are still empty."""
    with suppress(OSError):
        for folder in made:
            folder.rmdir()


def fsync_dir(folder: Path) -> None:
    """Make a rename outlive a power cut, where the system lets a folder be opened for that."""
    number = None
    with suppress(OSError):
        # An interrupt that comes once it is open has to find it in the block.
        try:
            number = os.open(folder, os.O_RDONLY)
            os.fsync(number)
        finally:
            if number is not None:
                os.close(number)
