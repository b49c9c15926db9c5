"""The order in which a file reaches the disk, seen by the calls that are made of the system."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from wanflow._core.effects import Reply
from wanflow._files import PartFile

if TYPE_CHECKING:
    from pathlib import Path


def test_a_name_appears_after_its_bytes_are_on_disk(tmp_path: Path) -> None:
    """The file is fsynced, then renamed, and then its folder is fsynced: no power cut tears it."""
    part = PartFile(tmp_path, "a", 1000)
    part.url = "https://files.example/a"
    assert part.head(Reply(200, {"content-type": "video/mp4"}, b""))
    part.write(b"abc")
    calls: list[tuple[str, str, bool]] = []

    def see(frame: Any, event: str, called: Any) -> None:
        if event == "c_call" and called in (os.fsync, os.replace):
            named = (tmp_path / "a.mp4").exists()
            calls.append((called.__name__, frame.f_code.co_name, named))

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        path = part.keep(".mp4")
    finally:
        sys.setprofile(before)
    assert path.read_bytes() == b"abc"
    assert [call[0] for call in calls] == ["fsync", "replace", "fsync"]
    assert [call[2] for call in calls] == [False, False, True]
    assert calls[2][1] == "_sync_folder"
