"""Folders that are made for files, taken away again where no file came to be, and synced."""

from __future__ import annotations

import os
from contextlib import suppress
from threading import Condition, Lock
from typing import TYPE_CHECKING, TypeVar

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")


def make(folder: Path) -> tuple[Path, ...]:
    """Make a folder with its parents if need be → those that were made, the deepest first."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(missing)


def inside(folder: Path, opening: Callable[[], T]) -> tuple[T, tuple[Path, ...]]:
    """Open something in a folder, which is made if need be → that, and the folders made."""
    made: tuple[Path, ...] = ()
    # The folder is there but for the first time, and where somebody else, who had made it and
    # came to nothing, took it away just now.
    for _ in range(2):
        with suppress(FileNotFoundError):
            return opening(), made
        made = make(folder) or made
    return opening(), made


def unmake(made: tuple[Path, ...]) -> None:
    """Take folders away that are still empty."""
    with suppress(OSError):
        for folder in made:
            folder.rmdir()


@define(eq=False)
class _Turns:
    """Who wants a folder synced: `wanted` counts those who came, `done` those whose wish is met."""

    news: Condition = field(factory=Condition)
    wanted: int = 0
    done: int = 0
    busy: bool = False
    present: int = 0


_TURNS: dict[Path, _Turns] = {}
_LOCK = Lock()


def sync(folder: Path) -> None:
    """Make the renames in a folder outlive a power cut; threads that come meanwhile share the next.

    Where the system lets no folder be opened for that, nothing is done.
    """
    with _LOCK:
        turns = _TURNS.setdefault(folder, _Turns())
        turns.present += 1
    try:
        _sync_together(folder, turns)
    finally:
        with _LOCK:
            turns.present -= 1
            if not turns.present:
                del _TURNS[folder]


def _sync_together(folder: Path, turns: _Turns) -> None:
    with turns.news:
        turns.wanted += 1
        mine = turns.wanted
        while turns.busy and turns.done < mine:
            turns.news.wait()
        if turns.done >= mine:
            return
        turns.busy, coming, done = True, turns.wanted, turns.done
    try:
        _sync(folder)
        done = coming
    finally:
        with turns.news:
            turns.busy, turns.done = False, done
            turns.news.notify_all()


def _sync(folder: Path) -> None:
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
