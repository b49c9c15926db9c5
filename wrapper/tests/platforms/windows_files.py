"""A file system as on Windows: no open file is renamed or deleted, and locks are those of msvcrt.

It changes the functions of `os` in this process, and lets the code take its way for Windows. As a
plugin (`-p tests.platforms.windows_files`) it does so in every test.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from wanflow import _regular_file

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSING = ("open", "replace", "rename", "unlink")
DESCRIPTORS = Path("/proc/self/fd")
IN_USE = "The process cannot access the file because it is being used by another process"


def is_open(path: Any) -> bool:
    """Return whether this process has a file open, under whatever name."""
    try:
        wanted = Path(path).stat()
    except OSError:
        return False
    for number in DESCRIPTORS.iterdir():
        try:
            found = os.fstat(int(number.name))
        except OSError:
            continue
        if os.path.samestat(found, wanted):
            return True
    return False


def refuse_if_open(*paths: Any) -> None:
    for path in paths:
        if is_open(path):
            raise PermissionError(errno.EACCES, IN_USE, str(path))


def locking_module() -> ModuleType:
    """Return a module `msvcrt` whose locks keep others from the locked bytes only."""
    import fcntl

    module = ModuleType("msvcrt")

    def locking(number: int, mode: int, count: int) -> None:
        assert (mode, count) == (2, 1)
        at = os.lseek(number, 0, os.SEEK_CUR)
        assert at >= os.fstat(number).st_size, "the lock keeps others from reading the file"
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, "Permission denied") from None

    module.LK_NBLCK, module.locking = 2, locking  # type: ignore[attr-defined]
    return module


@pytest.fixture
def windows_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files as on Windows, until the test ends."""
    if os.name == "nt":
        yield  # they are
        return
    if not DESCRIPTORS.is_dir():
        pytest.skip("this system doesn't say which files are open")
    imitate(monkeypatch)
    yield
    monkeypatch.undo()


class WindowsFiles:
    """The functions of `os` that refuse what Windows refuses."""

    def __init__(self) -> None:
        self.real = {name: getattr(os, name) for name in REFUSING}

    def open(self, path: Any, flags: int, *mode: int, **more: Any) -> int:
        number: int = self.real["open"](path, flags, *mode, **more)
        if stat.S_ISDIR(os.fstat(number).st_mode) and "dir_fd" not in more:  # as shutil does
            os.close(number)
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return number

    def replace(self, source: Any, target: Any, **more: Any) -> None:
        refuse_if_open(source, target)
        self.real["replace"](source, target, **more)

    def rename(self, source: Any, target: Any, **more: Any) -> None:
        refuse_if_open(source)
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "File exists", str(target))
        self.real["rename"](source, target, **more)

    def unlink(self, path: Any, **more: Any) -> None:
        if sys._getframe(1).f_code.co_filename != tempfile.__file__:  # it has another way there
            refuse_if_open(path)
        self.real["unlink"](path, **more)


def imitate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `os` refuse what Windows refuses."""
    files = WindowsFiles()
    for name in REFUSING:
        monkeypatch.setattr(os, name, getattr(files, name))
    monkeypatch.setattr(_regular_file, "RENAMES_OPEN_FILES", False)
    monkeypatch.setattr(_regular_file, "_PAUSES", (0.0, 0.0))
    monkeypatch.setitem(sys.modules, "msvcrt", locking_module())
    monkeypatch.setitem(sys.modules, "fcntl", None)


@pytest.fixture(autouse=bool(os.environ.get("WANFLOW_TESTS_WINDOWS_FILES")))
def everywhere(request: pytest.FixtureRequest) -> None:
    """Every test, where this module is a plugin that was asked for it."""
    if os.environ.get("WANFLOW_TESTS_WINDOWS_FILES"):
        request.getfixturevalue("windows_files")
