"""The order in which a file reaches the disk, seen by the calls that are made of the system."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from wanflow._core.effects import Response
from wanflow._storage.part_file import PartFile, check_writable, file_info
from wanflow.errors import DownloadFailed

if TYPE_CHECKING:
    from pathlib import Path

SMALL, LARGE = b"abc", b"abc" * 50_000
LIMIT = 1_000_000


def begun(folder: Path, content: bytes) -> PartFile:
    """A part file that all of its bytes have come for."""
    part = PartFile(folder, "a", LIMIT)
    part.url = "https://files.example/a"
    assert part.start(Response(200, {"content-type": "video/mp4", "etag": '"1"'}, b""))
    part.write(content)
    return part


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_a_name_appears_after_its_bytes_are_on_disk(tmp_path: Path, content: bytes) -> None:
    """The file is fsynced, then renamed, and then its folder is fsynced: no power cut tears it."""
    part = begun(tmp_path, content)
    calls: list[tuple[str, str, bool]] = []

    def see(frame: Any, event: str, called: Any) -> None:
        if event == "c_call" and called in (os.fsync, os.replace):
            named = (tmp_path / "a.mp4").exists()
            calls.append((called.__name__, frame.f_code.co_name, named))

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        path = part.commit(".mp4")
    finally:
        sys.setprofile(before)
    assert path.read_bytes() == content
    assert [call[0] for call in calls] == ["fsync", "replace", "fsync"]
    assert [call[2] for call in calls] == [False, False, True]
    assert calls[2][1] == "fsync_dir"
    assert [one.name for one in tmp_path.iterdir()] == ["a.mp4"]


def test_a_small_file_is_nowhere_until_it_is_whole(tmp_path: Path) -> None:
    """Not even its folder is there; one that breaks off is left to be gone on with."""
    folder = tmp_path / "out"
    part = begun(folder, SMALL)
    assert not folder.exists()
    part.suspend()
    again = PartFile(folder, "a", LIMIT)
    assert again.exists
    again.resume()
    assert (again.size, again.validator) == (len(SMALL), '"1"')
    again.discard()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_what_is_kept_of_a_file_is_what_is_on_the_disk(tmp_path: Path, content: bytes) -> None:
    """Size and digest are the same, whether the content was in memory or is read again."""
    part = begun(tmp_path, content)
    path = part.commit(".mp4")
    assert (part.content is None) == (content is LARGE)
    assert file_info(0, path, part.content) == file_info(0, path)


def test_a_part_that_another_process_holds_is_left_to_it(tmp_path: Path) -> None:
    """Both save the file under its name, and neither writes into the other's part."""
    held = tmp_path / ".a.part"
    with held.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(b"of the other")
        other.flush()
        path = begun(tmp_path, SMALL).commit(".mp4")
        assert path.read_bytes() == SMALL
        assert held.read_bytes() == b"of the other"


def test_a_full_disk_leaves_nothing_under_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can't be written whole isn't there at all, and the error says why."""
    real, left = os.write, [2]

    def write(number: int, content: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= 1
        return real(number, content[:1])

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(DownloadFailed, match="No space left on device"):
        begun(tmp_path, SMALL).commit(".mp4")
    assert list(tmp_path.iterdir()) == []
    left[0] = len(SMALL)
    assert begun(tmp_path, SMALL).commit(".mp4").read_bytes() == SMALL


def test_a_folder_is_tried_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed while it tries a folder leaves nothing there."""
    seen: list[list[str]] = []
    real = os.fsync

    def look(number: int) -> None:
        seen.append([one.name for one in tmp_path.iterdir()])
        real(number)

    monkeypatch.setattr(os, "fsync", look)
    check_writable(tmp_path)
    assert seen == [[]]
