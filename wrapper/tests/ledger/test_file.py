"""The ledger's file: replacement is noticed, rights are private, owners are known."""

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

    from tests.ledger.conftest import SyncRunner

SERVER = "http://api.example/v1"


def intent(number: int, **more: Any) -> SubmissionIntent:
    return SubmissionIntent(
        SERVER, f"key-of-a-job-{number:06d}", "m", {"prompt": "x"}, b"{}", **more
    )


def replaced(path: Path) -> None:
    """Replace the file, as sync tools and restores do."""
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
    "truncated": lambda path: os.truncate(path, 4096),
    "renamed": lambda path: path.rename(path.with_name("elsewhere")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_replaced_file_stops_the_next_submission(
    do: SyncRunner,
    path: Path,
    ledger: Ledger,
    model: str,
    submitted: Callable[[], int],
    change: Callable[[Path], None],
) -> None:
    """The record would be lost, so nothing is sent, and the error says what to do."""
    do(lambda client: client.submit(model=model, prompt="x"))
    change(path)
    with pytest.raises(LedgerError, match=r"while it was in use.*run the program again"):
        do(lambda client: client.submit(model=model, prompt="y"))
    assert submitted() == 1


def test_a_replaced_file_stops_a_resubmission(path: Path, ledger: Ledger) -> None:
    """The same holds for the resubmission of an existing job."""
    ledger.record_intent(intent(1))
    ledger.record_uncertain(intent(1).key, "lost")
    with pytest.raises(SubmitUncertain):
        ledger.record_intent(intent(1))
    replaced(path)
    with pytest.raises(LedgerError, match="replaced by another file"):
        ledger.record_intent(intent(1, resend=True))


@pytest.mark.processes
def test_a_ledger_that_others_open_and_close_stays_the_same(path: Path, ledger: Ledger) -> None:
    """Normal use by other processes is not a replacement."""
    script = "import sys; from wanflow.ledger import Ledger; Ledger(sys.argv[1]).close()"
    for number in range(3):
        subprocess.run([sys.executable, "-c", script, str(path)], check=True)
        with Ledger(path) as other:
            other.record_intent(intent(100 + number))
        ledger.record_intent(intent(number))


def test_a_link_to_a_ledger_is_the_ledger(path: Path, ledger: Ledger, tmp_path: Path) -> None:
    """Owners are recognised if the ledger is opened through a link."""
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
def test_every_file_of_a_ledger_is_private(path: Path, mask: int) -> None:
    """The files are private with any umask."""
    with umask(mask), Ledger(path) as ledger:
        ledger.record_intent(intent(1))
        found = rights(path.parent)
        assert len(found) >= 5
        assert set(found.values()) == {0o600}, found


def test_a_new_directory_of_a_ledger_is_private(tmp_path: Path) -> None:
    """A new directory is private; an existing one is not changed."""
    with umask(0):
        (tmp_path / "existing").mkdir()
        for name in ("made", "existing"):
            Ledger(tmp_path / name / "ledger.db").close()
    found = {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()}
    assert found == {"made": 0o700, "existing": 0o777}


def test_a_ledger_with_wider_rights_becomes_private(path: Path) -> None:
    """A ledger that others may read becomes private when it is opened."""
    with umask(0):
        with Ledger(path) as ledger:
            ledger.record_intent(intent(1))
        for end in ("", "-reserve"):
            path.with_name(path.name + end).chmod(0o666)
        with Ledger(path) as ledger:
            ledger.record_intent(intent(2))
            assert set(rights(path.parent).values()) == {0o600}


def test_rights_that_cannot_be_changed_are_logged(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the rights can't be changed, a warning is logged."""
    Ledger(path).close()
    path.chmod(0o644)

    def fail(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", fail)
    with caplog.at_level(logging.WARNING, "wanflow"):
        create_file(path)
    assert "other users may read" in caplog.text


PARENT_EXITS = """
import os, sys
from wanflow._core.recorder import SubmissionIntent
from wanflow.ledger import Ledger
book = Ledger(sys.argv[1])
book.record_intent(SubmissionIntent("http://api.example/v1", "key-of-a-job-000001", "m", {}, b"{}"))
if os.fork() == 0:
    print("forked", flush=True)
    sys.stdin.read()
    os._exit(0)
os._exit(9)  # the parent exits, and its child runs on
"""


@pytest.mark.processes
def test_a_forked_child_does_not_own_the_jobs_of_its_dead_parent(path: Path) -> None:
    """The parent's jobs are free when it has exited, even if its child still runs."""
    words = [sys.executable, "-c", PARENT_EXITS, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout.readline() == "forked\n"
        process.wait(60)
        with Ledger(path) as ledger:
            (job,) = ledger.jobs()
            assert not ledger.is_owned(job)
            claim = ledger.claim(SERVER)
            assert (len(claim.jobs), claim.locked) == (1, 0)
        process.stdin.close()


CHILD_EXITS = """
import os, sys
from wanflow._core.recorder import SubmissionIntent
from wanflow.ledger import Ledger
book = Ledger(sys.argv[1])
book.record_intent(SubmissionIntent("http://api.example/v1", "key-of-a-job-000001", "m", {}, b"{}"))
if os.fork() == 0:
    os._exit(0)  # the child exits, and its parent runs on
os.wait()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.processes
def test_a_child_that_exits_does_not_free_the_jobs_of_its_parent(path: Path) -> None:
    """The parent still owns its jobs."""
    words = [sys.executable, "-c", CHILD_EXITS, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        with Ledger(path) as ledger:
            assert ledger.is_owned(ledger.jobs()[0])
        process.stdin.close()


def test_a_pipe_instead_of_the_reserve_is_an_error(path: Path) -> None:
    """A pipe in place of the reserve doesn't block, and the error names it."""
    os.mkfifo(path.with_name(f"{path.name}-reserve"))
    with Ledger(path) as ledger, pytest.raises(LedgerError, match="a pipe is in the place"):
        ledger.record_intent(intent(1))


def test_a_new_client_uses_a_new_file(
    path: Path, ledger: Ledger, mock: Any, api_key: str, model: str
) -> None:
    """After the error, a new run of the program works."""
    ledger.record_intent(intent(1))
    ledger.record_accepted(intent(1).key, Snapshot("task-1", "pending"), hold=False)
    deleted(path)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink()
    with Ledger(path) as again, Client(api_key, mock.base_url, ledger=again) as client:
        assert client.submit(model=model, prompt="x").id
        assert len(again.jobs()) == 1
