"""Links, pipes, devices or directories at the path of a file: none is followed or changed."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wanflow import _regular_file as regular_file
from wanflow._core.effects import Response
from wanflow._storage.part_file import PartFile
from wanflow.batch.report import write_text
from wanflow.errors import DownloadFailed, LedgerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SMALL, LARGE = b"abc", b"abc" * 500_000
PRECIOUS = b"precious"


def symlink(path: Path, target: Path) -> None:
    path.symlink_to(target)


def dangling(path: Path, target: Path) -> None:
    path.symlink_to(target.with_name("nowhere"))


def hardlink(path: Path, target: Path) -> None:
    path.hardlink_to(target)


def fifo(path: Path, _: Path) -> None:
    os.mkfifo(path)


def folder(path: Path, _: Path) -> None:
    path.mkdir()


def full_folder(path: Path, _: Path) -> None:
    path.mkdir()
    (path / "x").write_bytes(PRECIOUS)


def unix_socket(path: Path, _: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # its name has a hundred bytes at most
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(before)


def device(path: Path, _: Path) -> None:
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero, which has no end
    except PermissionError:
        path.symlink_to("/dev/zero")


def read_only(path: Path, _: Path) -> None:
    path.write_bytes(PRECIOUS)
    path.chmod(0o400)


OBSTACLES = (symlink, dangling, hardlink, fifo, folder, full_folder, unix_socket, device, read_only)
WITH_OBSTACLES = pytest.mark.parametrize("put", OBSTACLES, ids=lambda one: one.__name__)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file outside of the output directory that must not change."""
    path = tmp_path / "target"
    path.write_bytes(PRECIOUS)
    return path


@pytest.fixture
def out(tmp_path: Path, target: Path) -> Iterator[Path]:
    """The output directory; after the test, nothing outside of it has changed."""
    path = tmp_path / "out"
    path.mkdir()
    yield path
    assert target.read_bytes() == PRECIOUS
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out", "target"]


@contextmanager
def without_hanging() -> Iterator[None]:
    """Kill the test if it takes longer than 20 seconds, such as by waiting for a pipe."""
    late = threading.Timer(20, os._exit, [7])
    late.daemon = True
    late.start()
    yield
    late.cancel()


def save(out: Path, content: bytes) -> bytes | None:
    """Save a file as a download does; return its content, or None if it can't be written."""
    part = PartFile(out, "a", 10_000_000)
    part.url = "https://files.example/a"
    try:
        part.resume()
        assert part.start(Response(200, {"content-type": "video/mp4", "etag": '"1"'}, b""))
        for start in range(0, len(content), 50_000):
            part.write(content[start : start + 50_000])
        return part.commit(".mp4").read_bytes()
    except DownloadFailed as error:
        message = str(error)
    part.suspend()
    assert "can't be written: " in message
    return None


@WITH_OBSTACLES
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_an_obstacle_at_the_part_path_is_not_followed(
    put: Callable[[Path, Path], None], content: bytes, out: Path, target: Path
) -> None:
    """The file is saved, or the error names the obstacle."""
    put(out / ".a.part", target)
    with without_hanging():
        found = save(out, content)
    assert found in (content, None)
    if put in {symlink, dangling, fifo, unix_socket, device, folder, full_folder}:
        assert found is None
    if put is hardlink:
        assert found == content


@WITH_OBSTACLES
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_an_obstacle_at_the_metadata_path_is_not_followed(
    put: Callable[[Path, Path], None], content: bytes, out: Path, target: Path
) -> None:
    """The metadata only helps a later run, so the file is saved without it."""
    (out / ".a.part").write_bytes(b"left")
    put(out / ".a.part.json", target)
    with without_hanging():
        assert save(out, content) == content


@WITH_OBSTACLES
def test_a_suspended_part_without_metadata_can_be_opened_again(
    put: Callable[[Path, Path], None], out: Path, target: Path
) -> None:
    """Suspending a part writes its metadata, if that is possible."""
    put(out / ".a.part.json", target)
    part = PartFile(out, "a", 10_000_000)
    assert part.start(Response(200, {"etag": '"1"'}, b""))
    part.write(LARGE)
    with without_hanging():
        part.suspend()
        again = PartFile(out, "a", 10_000_000)
        again.resume()
    assert (again.size, again.validator) in {(0, None), (len(LARGE), '"1"')}
    again.close()


@WITH_OBSTACLES
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_an_obstacle_at_the_final_path_is_replaced(
    put: Callable[[Path, Path], None], content: bytes, out: Path, target: Path
) -> None:
    """Everything but a directory is replaced, and no link is followed."""
    put(out / "a.mp4", target)
    with without_hanging():
        found = save(out, content)
    assert found == (None if put in {folder, full_folder} else content)


@WITH_OBSTACLES
@pytest.mark.parametrize("name", ["report.json", "index.html"])
def test_an_obstacle_at_the_path_of_a_report_is_replaced(
    put: Callable[[Path, Path], None], name: str, out: Path, target: Path
) -> None:
    """Everything but a directory is replaced by the report or the contact sheet."""
    put(out / name, target)
    with without_hanging():
        if put in {folder, full_folder}:
            with pytest.raises(LedgerError, match=name):
                write_text(out / name, "{}")
        else:
            write_text(out / name, "half of a pair: \ud83d")
            assert (out / name).read_text().startswith("half of a pair: ")
    assert [one.name for one in out.iterdir()] == [name]


def test_the_temporary_name_of_a_report_cannot_be_guessed(out: Path, target: Path) -> None:
    """A user who knows the process id can't redirect the report to another file."""
    names = [f".report.json.{os.getpid()}.part", ".report.json.part"]
    for name in names:
        (out / name).symlink_to(target)
    write_text(out / "report.json", "{}")
    assert all((out / name).is_symlink() for name in names)


@WITH_OBSTACLES
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_CREAT])
def test_only_a_regular_file_is_opened(
    put: Callable[[Path, Path], None], flags: int, out: Path, target: Path
) -> None:
    """The error names what is there instead of a file."""
    put(out / "x", target)
    with without_hanging():
        if put is hardlink:
            regular_file.open_regular(out / "x", flags).close()
        elif put is not read_only:
            with pytest.raises(OSError, match="is in the place of the file x; remove it"):
                regular_file.open_regular(out / "x", flags)


def test_an_unwritable_directory_is_an_error_message(out: Path) -> None:
    """There is no traceback, for root or another user."""
    closed = out / "closed"
    closed.write_text("a file")
    assert save(closed, SMALL) is None
    assert save(closed / "deeper", LARGE) is None
    assert save(Path("/proc/nowhere"), LARGE) is None
    closed.unlink()


@pytest.mark.processes
def test_a_forked_child_does_not_keep_a_part_locked(out: Path) -> None:
    """The lock ends in the parent, although the child has the same file open."""
    part = PartFile(out, "a", 10_000_000)
    assert part.start(Response(200, {"etag": '"1"'}, b""))
    part.write(LARGE)
    read, write = os.pipe()
    forked, begun = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(begun, b"x")
        os.read(read, 1)
        os._exit(0)
    try:
        os.read(forked, 1)
        part.suspend()
        again = PartFile(out, "a", 10_000_000)
        again.resume()
        assert again.size == len(LARGE)
        again.discard()
    finally:
        os.write(write, b"x")
        os.waitpid(child, 0)
        for number in (read, write, forked, begun):
            os.close(number)
    assert list(out.iterdir()) == []


def test_files_have_the_permissions_of_the_umask(out: Path) -> None:
    """This holds for reports and for downloaded files."""
    before: Any = os.umask(0o027)
    try:
        write_text(out / "report.json", "{}")
        assert save(out, LARGE)
    finally:
        os.umask(before)
    assert {one.stat().st_mode & 0o777 for one in out.iterdir()} == {0o640}
