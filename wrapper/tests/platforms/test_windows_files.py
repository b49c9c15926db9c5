"""On Windows no open file is renamed or deleted, and locks keep others from reading."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pytest

from wanflow import _regular_file
from wanflow._core.effects import Response
from wanflow._storage.part_file import PartFile, check_writable, part_file
from wanflow.batch.identity import NAME_FILE, exclusive
from wanflow.errors import ConfigurationError, DownloadFailed
from wanflow.ledger.owner_locks import OwnerLock

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL, LARGE = b"a" * 100, b"b" * 300_000
ROOT = Path(__file__).parents[3]
WHOLE = ("transport/test_part_files.py", "client/test_names.py", "batch/test_identity.py")
by_size = pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
pytestmark = pytest.mark.usefixtures("windows_files")


def received(folder: Path, content: bytes) -> PartFile:
    """Return a download that has everything."""
    part = part_file(folder, "lake", 1 << 30)
    part.url = "https://files.example.com/lake"
    headers = {"content-length": str(len(content)), "etag": '"1"', "content-type": "image/png"}
    assert part.start(Response(200, headers, b""))
    for at in range(0, len(content), 10_000):
        part.write(content[at : at + 10_000])
    return part


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[BinaryIO]:
    """A file that another program reads."""
    path = tmp_path / "read.json"
    path.write_bytes(b"old")
    with path.open("rb") as opened:
        yield opened


@by_size
def test_a_download_gets_its_name(tmp_path: Path, content: bytes) -> None:
    """Its part file is closed first, and nothing is left of it."""
    assert received(tmp_path, content).commit(".png").read_bytes() == content
    assert [one.name for one in tmp_path.iterdir()] == ["lake.png"]


@by_size
def test_a_second_download_has_a_part_file_of_its_own(tmp_path: Path, content: bytes) -> None:
    """The lock of the first one holds on Windows, too."""
    first = received(tmp_path, LARGE)
    assert received(tmp_path, content).commit(".png").read_bytes() == content
    first.discard()
    assert [one.name for one in tmp_path.iterdir()] == ["lake.png"]


@by_size
def test_a_file_that_cannot_be_placed_can_be_resumed(tmp_path: Path, content: bytes) -> None:
    """Something is in its place; what was received is still there, under the name it had."""
    (tmp_path / "lake.png").mkdir()
    part = received(tmp_path, content)
    with pytest.raises(DownloadFailed):
        part.commit(".png")
    part.suspend()
    (tmp_path / "lake.png").rmdir()
    again = part_file(tmp_path, "lake", 1 << 30)
    again.resume()
    assert again.size in {0, len(content)}
    assert not list(tmp_path.glob(".lake.part~*"))
    again.discard()


def test_a_file_that_is_read_for_a_moment_is_replaced(
    reader: BinaryIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As virus scanners and indexes read new files: it is tried again."""
    pauses = iter([lambda: None, reader.close])
    monkeypatch.setattr(time, "sleep", lambda _: next(pauses)())
    path = Path(reader.name)
    _regular_file.write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("change", ["write_atomically", "remove"])
def test_a_file_that_is_read_for_long_stays_as_it_was(reader: BinaryIO, change: str) -> None:
    """The error is the system's, and no temporary file is left."""
    path = Path(reader.name)
    if change == "remove":
        changing = partial(_regular_file.remove, path)
    else:
        changing = partial(_regular_file.write_atomically, path, b"new")
    with pytest.raises(PermissionError):
        changing()
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_a_batch_with_a_limit_runs_once(tmp_path: Path) -> None:
    """And its name can be read while it is locked."""
    (tmp_path / NAME_FILE).write_bytes(b"name\n")
    with exclusive(tmp_path, required=True):
        with (
            pytest.raises(ConfigurationError, match="another process"),
            exclusive(tmp_path, required=True),
        ):
            pass
        assert (tmp_path / NAME_FILE).read_bytes() == b"name\n"


def test_an_owner_is_alive_until_it_ends(tmp_path: Path) -> None:
    """Its lock file is deleted, or left to others while one of them checks it."""
    owner, other = OwnerLock(tmp_path / "ledger.db"), OwnerLock(tmp_path / "ledger.db")
    owner.acquire()
    assert other.is_alive(owner.token)
    checked = next(tmp_path.iterdir()).open("rb")
    owner.release()
    assert not other.is_alive(owner.token)
    checked.close()
    other.remove_stale(owner.token)
    assert not list(tmp_path.iterdir())


def test_a_folder_whose_path_is_too_long_is_refused_before_anything_is_sent(
    tmp_path: Path,
) -> None:
    """Its files could not be saved after they were paid for; no system has the same limit."""
    if os.name == "nt":
        pytest.skip("a setting of Windows decides how long a path may be")
    most = os.pathconf(tmp_path, "PC_PATH_MAX")
    folder = tmp_path
    while (left := most - 40 - len(str(folder))) > 0:  # bytes, for a name and what is before it
        folder /= "x" * min(200, left)
    with pytest.raises(ConfigurationError, match="nothing was sent"):
        check_writable(folder)


@pytest.mark.slow  # whole files of tests, in a process of their own
def test_the_tests_of_files_pass_on_windows_files() -> None:
    """But for one, which records the calls of the system."""
    files = [f"wrapper/tests/{name}" for name in WHOLE]
    plugin = ["-p", "tests.platforms.windows_files", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin, *files, "-k", "not is_synced_before"],
        cwd=ROOT,
        env={**os.environ, "WANFLOW_TESTS_WINDOWS_FILES": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"\d{2,} passed", done.stdout)
