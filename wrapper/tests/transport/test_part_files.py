"""How a downloaded file is written: the order of the system calls, and errors of the disk."""

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


def complete_part(folder: Path, content: bytes) -> PartFile:
    """Return a part file that has all of its bytes."""
    part = PartFile(folder, "a", LIMIT)
    part.url = "https://files.example/a"
    assert part.start(Response(200, {"content-type": "video/mp4", "etag": '"1"'}, b""))
    part.write(content)
    return part


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_a_file_is_synced_before_it_gets_its_name(tmp_path: Path, content: bytes) -> None:
    """The file is fsynced, renamed, and its directory fsynced, so a power cut damages nothing."""
    part = complete_part(tmp_path, content)
    calls: list[tuple[str, str, bool]] = []

    def record(frame: Any, event: str, called: Any) -> None:
        if event == "c_call" and called in (os.fsync, os.replace):
            named = (tmp_path / "a.mp4").exists()
            calls.append((called.__name__, frame.f_code.co_name, named))

    before = sys.getprofile()
    sys.setprofile(record)
    try:
        path = part.commit(".mp4")
    finally:
        sys.setprofile(before)
    assert path.read_bytes() == content
    assert [call[0] for call in calls] == ["fsync", "replace", "fsync"]
    assert [call[2] for call in calls] == [False, False, True]
    assert calls[2][1] == "fsync_dir"
    assert [one.name for one in tmp_path.iterdir()] == ["a.mp4"]


def test_a_small_file_is_not_written_before_it_is_complete(tmp_path: Path) -> None:
    """Its directory isn't created either; an interrupted file can be continued."""
    folder = tmp_path / "out"
    part = complete_part(folder, SMALL)
    assert not folder.exists()
    part.suspend()
    again = PartFile(folder, "a", LIMIT)
    assert again.exists
    again.resume()
    assert (again.size, again.validator) == (len(SMALL), '"1"')
    again.discard()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_the_recorded_size_and_digest_are_those_on_disk(tmp_path: Path, content: bytes) -> None:
    """They are the same for content in memory and for content that is read from the file."""
    part = complete_part(tmp_path, content)
    path = part.commit(".mp4")
    assert (part.content is None) == (content is LARGE)
    assert file_info(0, path, part.content) == file_info(0, path)


def test_a_part_that_another_process_has_locked_is_not_used(tmp_path: Path) -> None:
    """Both processes save the file, and neither writes into the other's part."""
    locked = tmp_path / ".a.part"
    with locked.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(b"of the other")
        other.flush()
        path = complete_part(tmp_path, SMALL).commit(".mp4")
        assert path.read_bytes() == SMALL
        assert locked.read_bytes() == b"of the other"


def test_a_full_disk_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that can't be written completely is removed, and the error has the reason."""
    real, left = os.write, [2]

    def write(number: int, content: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= 1
        return real(number, content[:1])

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(DownloadFailed, match="No space left on device"):
        complete_part(tmp_path, SMALL).commit(".mp4")
    assert list(tmp_path.iterdir()) == []
    left[0] = len(SMALL)
    assert complete_part(tmp_path, SMALL).commit(".mp4").read_bytes() == SMALL


def test_a_directory_is_tested_with_an_unnamed_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed during the test leaves nothing behind."""
    listings: list[list[str]] = []
    real = os.fsync

    def fsync(number: int) -> None:
        listings.append([one.name for one in tmp_path.iterdir()])
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    check_writable(tmp_path)
    assert listings == [[]]
