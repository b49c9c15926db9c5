"""Whatever lies where a file is to be: nothing is followed, nothing hangs, nothing is harmed."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wanflow._core.effects import Response
from wanflow._storage import regular_file
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


THINGS = (symlink, dangling, hardlink, fifo, folder, full_folder, unix_socket, device, read_only)
IN_THE_WAY = pytest.mark.parametrize("put", THINGS, ids=lambda one: one.__name__)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Something beside the folder that nobody may touch."""
    path = tmp_path / "target"
    path.write_bytes(PRECIOUS)
    return path


@pytest.fixture
def out(tmp_path: Path, target: Path) -> Iterator[Path]:
    """The folder of the files; when a test is over, nothing but that was touched."""
    path = tmp_path / "out"
    path.mkdir()
    yield path
    assert target.read_bytes() == PRECIOUS
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out", "target"]


@contextmanager
def in_time() -> Iterator[None]:
    """Nothing here waits for a reader or a writer that never comes."""
    late = threading.Timer(20, os._exit, [7])
    late.daemon = True
    late.start()
    yield
    late.cancel()


def save(out: Path, content: bytes) -> bytes | None:
    """Save a file as a download does → what is there; None where it was refused in a sentence."""
    part = PartFile(out, "a", 10_000_000)
    part.url = "https://files.example/a"
    try:
        part.resume()
        assert part.start(Response(200, {"content-type": "video/mp4", "etag": '"1"'}, b""))
        for start in range(0, len(content), 50_000):
            part.write(content[start : start + 50_000])
        return part.commit(".mp4").read_bytes()
    except DownloadFailed as error:
        said = str(error)
    part.suspend()
    assert "can't be written: " in said
    return None


@IN_THE_WAY
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_nothing_is_followed_in_the_place_of_a_part(
    put: Callable[[Path, Path], None], content: bytes, out: Path, target: Path
) -> None:
    """The file is saved, or it is said what is in its way."""
    put(out / ".a.part", target)
    with in_time():
        found = save(out, content)
    assert found in (content, None)
    if put in {symlink, dangling, fifo, unix_socket, device, folder, full_folder}:
        assert found is None
    if put is hardlink:
        assert found == content


@IN_THE_WAY
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_nothing_is_followed_in_the_place_of_its_notes(
    put: Callable[[Path, Path], None], content: bytes, out: Path, target: Path
) -> None:
    """Notes are a help for a later run: without them, the file is saved all the same."""
    (out / ".a.part").write_bytes(b"left")
    put(out / ".a.part.json", target)
    with in_time():
        assert save(out, content) == content


@IN_THE_WAY
def test_what_is_left_is_left_without_notes_where_there_can_be_none(
    put: Callable[[Path, Path], None], out: Path, target: Path
) -> None:
    """A part that is broken off writes its notes, too."""
    put(out / ".a.part.json", target)
    part = PartFile(out, "a", 10_000_000)
    assert part.start(Response(200, {"etag": '"1"'}, b""))
    part.write(LARGE)
    with in_time():
        part.suspend()
        again = PartFile(out, "a", 10_000_000)
        again.resume()
    assert (again.size, again.validator) in {(0, None), (len(LARGE), '"1"')}
    again.close()


@IN_THE_WAY
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_nothing_is_followed_under_the_files_own_name(
    put: Callable[[Path, Path], None], content: bytes, out: Path, target: Path
) -> None:
    """What lies there is replaced, a folder alone is not."""
    put(out / "a.mp4", target)
    with in_time():
        found = save(out, content)
    assert found == (None if put in {folder, full_folder} else content)


@IN_THE_WAY
@pytest.mark.parametrize("name", ["report.json", "index.html"])
def test_nothing_is_followed_in_the_place_of_a_page(
    put: Callable[[Path, Path], None], name: str, out: Path, target: Path
) -> None:
    """Reports and contact sheets take their place, or say what is in it; texts are replaced in."""
    put(out / name, target)
    with in_time():
        if put in {folder, full_folder}:
            with pytest.raises(LedgerError, match=name):
                write_text(out / name, "{}")
        else:
            write_text(out / name, "half of a pair: \ud83d")
            assert (out / name).read_text().startswith("half of a pair: ")
    assert [one.name for one in out.iterdir()] == [name]


def test_a_page_is_written_to_no_name_that_could_be_guessed(out: Path, target: Path) -> None:
    """Whoever knows the number of the process can't have the page written elsewhere."""
    names = [f".report.json.{os.getpid()}.part", ".report.json.part"]
    for name in names:
        (out / name).symlink_to(target)
    write_text(out / "report.json", "{}")
    assert all((out / name).is_symlink() for name in names)


@IN_THE_WAY
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_CREAT])
def test_only_a_regular_file_is_opened(
    put: Callable[[Path, Path], None], flags: int, out: Path, target: Path
) -> None:
    """The error names what is there instead."""
    put(out / "x", target)
    with in_time():
        if put is hardlink:
            os.close(regular_file.open_regular(out / "x", flags))
        elif put is not read_only:
            with pytest.raises(OSError, match="is in the place of the file x; remove it"):
                regular_file.open_regular(out / "x", flags)


def test_a_folder_that_takes_no_files_is_one_sentence(out: Path) -> None:
    """Neither a root nor anybody else is shown a traceback."""
    closed = out / "closed"
    closed.write_text("a file")
    assert save(closed, SMALL) is None
    assert save(closed / "deeper", LARGE) is None
    assert save(Path("/proc/nowhere"), LARGE) is None
    closed.unlink()


def test_a_part_is_locked_by_its_own_process_alone(out: Path) -> None:
    """A child that is forked off meanwhile keeps nobody from going on with it."""
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


def test_what_is_made_has_the_rights_that_the_user_wants(out: Path) -> None:
    """A page is as readable as any other file of the user's."""
    before: Any = os.umask(0o027)
    try:
        write_text(out / "report.json", "{}")
        assert save(out, LARGE)
    finally:
        os.umask(before)
    assert {one.stat().st_mode & 0o777 for one in out.iterdir()} == {0o640}
