"""The ledger's file is noticed when it goes, is its owner's alone, and knows who lives."""

from __future__ import annotations

import logging
import os
import shutil
import stat
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from wanflow import Client
from wanflow._core.recorder import SubmissionIntent
from wanflow._core.snapshot import Snapshot
from wanflow.errors import LedgerError, SubmitUncertain
from wanflow.ledger import Ledger
from wanflow.ledger.database import create_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.ledger.conftest import Sync

SERVER = "http://api.example/v1"


def intent(number: int, **more: Any) -> SubmissionIntent:
    return SubmissionIntent(
        SERVER, f"key-of-a-job-{number:06d}", "m", {"prompt": "x"}, b"{}", **more
    )


def replaced(path: Path) -> None:
    """As sync tools and restores do it."""
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.replace(path)


def deleted(path: Path) -> None:
    path.unlink()


def beside(end: str, change: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda path: change(path.with_name(path.name + end))


CHANGES = {
    "deleted": deleted,
    "replaced": replaced,
    "its -wal deleted": beside("-wal", deleted),
    "its -wal replaced": beside("-wal", replaced),
    "its -shm deleted": beside("-shm", deleted),
    "emptied": lambda path: path.write_bytes(b""),
    "cut off": lambda path: os.truncate(path, 4096),
    "moved away": lambda path: path.rename(path.with_name("elsewhere")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_file_that_was_taken_away_stops_the_next_submission(
    do: Sync,
    path: Path,
    ledger: Ledger,
    model: str,
    submitted: Callable[[], int],
    change: Callable[[Path], None],
) -> None:
    """What would be written would be lost, so nothing is sent, and it is said what to do."""
    do(lambda client: client.submit(model=model, prompt="x"))
    change(path)
    with pytest.raises(LedgerError, match=r"while it was in use.*run the program again"):
        do(lambda client: client.submit(model=model, prompt="y"))
    assert submitted() == 1


def test_what_is_in_doubt_isnt_sent_again_either(path: Path, ledger: Ledger) -> None:
    """The same holds where a submission takes up a job that is there."""
    ledger.record_intent(intent(1))
    ledger.record_uncertain(intent(1).key, "lost")
    with pytest.raises(SubmitUncertain):
        ledger.record_intent(intent(1))
    replaced(path)
    with pytest.raises(LedgerError, match="replaced by another file"):
        ledger.record_intent(intent(1, resend=True))


def test_a_ledger_that_others_open_and_close_stays_the_same(path: Path, ledger: Ledger) -> None:
    """Nothing that processes do with it as they should is taken for a change."""
    script = "import sys; from wanflow.ledger import Ledger; Ledger(sys.argv[1]).close()"
    for number in range(3):
        subprocess.run([sys.executable, "-c", script, str(path)], check=True)
        with Ledger(path) as other:
            other.record_intent(intent(100 + number))
        ledger.record_intent(intent(number))


def test_a_link_to_a_ledger_is_the_ledger(path: Path, ledger: Ledger, tmp_path: Path) -> None:
    """Who lives is known by whatever name it was opened."""
    ledger.record_intent(intent(1))
    link = tmp_path / "other" / "name.db"
    link.parent.mkdir()
    link.symlink_to(path)
    with Ledger(link) as other:
        assert other.is_owned(other.jobs()[0])
        other.record_intent(intent(2))
        assert ledger.is_owned(ledger.find(intent(2).key))
    assert sorted(one.name for one in link.parent.iterdir()) == ["name.db"]


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def rights(folder: Path) -> dict[str, int]:
    return {
        one.name.removeprefix("ledger.db").rpartition("-")[2]: stat.S_IMODE(one.stat().st_mode)
        for one in folder.iterdir()
    }


@pytest.mark.parametrize("mask", [0, 0o022, 0o077])
def test_every_file_of_a_ledger_is_its_owners_alone(path: Path, mask: int) -> None:
    """Prompts are nobody else's business, whatever the umask is."""
    with umask(mask), Ledger(path) as ledger:
        ledger.record_intent(intent(1))
        found = rights(path.parent)
        assert len(found) >= 5
        assert set(found.values()) == {0o600}, found


def test_a_folder_that_is_made_for_a_ledger_is_its_owners_alone(tmp_path: Path) -> None:
    """Who can write there could put another file in its place; one that is there stays as it is."""
    with umask(0):
        (tmp_path / "theirs").mkdir()
        for name in ("made", "theirs"):
            Ledger(tmp_path / name / "ledger.db").close()
    found = {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()}
    assert found == {"made": 0o700, "theirs": 0o777}


def test_a_ledger_with_wider_rights_is_tightened(path: Path) -> None:
    """One that was made by another program, or copied, is its owner's alone from then on."""
    with umask(0):
        with Ledger(path) as ledger:
            ledger.record_intent(intent(1))
        for end in ("", "-reserve"):
            path.with_name(path.name + end).chmod(0o666)
        with Ledger(path) as ledger:
            ledger.record_intent(intent(2))
            assert set(rights(path.parent).values()) == {0o600}


def test_rights_that_cannot_be_tightened_are_told(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file is somebody else's, the log says who may read it."""
    Ledger(path).close()
    path.chmod(0o644)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refuse)
    with caplog.at_level(logging.WARNING, "wanflow"):
        create_file(path)
    assert "other users may read" in caplog.text


FORK = """
import os, sys
from wanflow._core.recorder import SubmissionIntent
from wanflow.ledger import Ledger
book = Ledger(sys.argv[1])
book.record_intent(SubmissionIntent("http://api.example/v1", "key-of-a-job-000001", "m", {}, b"{}"))
if os.fork() == 0:
    print("forked", flush=True)
    sys.stdin.read()
    os._exit(0)
os._exit(9)  # dies, and its child lives on
"""


def test_a_forked_child_keeps_nothing_of_its_dead_parent_alive(path: Path) -> None:
    """What the parent held is free when it dies, however long its child lives."""
    words = [sys.executable, "-c", FORK, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout.readline() == "forked\n"
        process.wait(20)
        with Ledger(path) as ledger:
            (job,) = ledger.jobs()
            assert not ledger.is_owned(job)
            claim = ledger.claim(SERVER)
            assert (len(claim.jobs), claim.locked) == (1, 0)
        process.stdin.close()


LIVES = """
import os, sys
from wanflow._core.recorder import SubmissionIntent
from wanflow.ledger import Ledger
book = Ledger(sys.argv[1])
book.record_intent(SubmissionIntent("http://api.example/v1", "key-of-a-job-000001", "m", {}, b"{}"))
if os.fork() == 0:
    os._exit(0)  # the child ends, and its parent lives on
os.wait()
print("alone", flush=True)
sys.stdin.read()
"""


def test_a_forked_child_takes_nothing_from_its_living_parent(path: Path) -> None:
    """Its end is not the parent's."""
    words = [sys.executable, "-c", LIVES, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout.readline() == "alone\n"
        with Ledger(path) as ledger:
            assert ledger.is_owned(ledger.jobs()[0])
        process.stdin.close()


def test_a_pipe_in_the_place_of_the_reserve_keeps_nobody_waiting(path: Path) -> None:
    """What isn't a file is said to be in the way."""
    os.mkfifo(path.with_name(f"{path.name}-reserve"))
    with Ledger(path) as ledger, pytest.raises(LedgerError, match="a pipe is in the place"):
        ledger.record_intent(intent(1))


def test_a_client_goes_on_with_the_file_that_is_there(
    path: Path, ledger: Ledger, mock: Any, api_key: str, model: str
) -> None:
    """After the error, the program is run again, and does."""
    ledger.record_intent(intent(1))
    ledger.record_accepted(intent(1).key, Snapshot("task-1", "pending"), hold=False)
    deleted(path)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink()
    with Ledger(path) as again, Client(api_key, mock.base_url, ledger=again) as client:
        assert client.submit(model=model, prompt="x").id
        assert len(again.jobs()) == 1
