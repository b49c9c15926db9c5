"""A ledger that its reader can't write: in a directory of another user, or a read-only copy."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.any_model import model_name
from wanflow import Client, Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.mock import MockServer

NOBODY = 65534
MODEL = model_name("image")
pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has other permissions of directories"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that any user can get to."""
    made = Path(tempfile.mkdtemp(prefix="wanflow-test-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    made.chmod(0o755)
    shutil.rmtree(made)


def recorded(folder: Path, mock: MockServer, api_key: str) -> tuple[Path, str]:
    """Return a ledger with a job, and the task's id."""
    path = folder / "ledger.db"
    with Ledger(path) as ledger, Client(api_key, mock.base_url, ledger=ledger) as client:
        task = client.submit(model=MODEL, prompt="a lake")
    return path, task.id


def make_unwritable(folder: Path) -> None:
    for path in folder.iterdir():
        path.chmod(0o644)
    folder.chmod(0o555)


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a ledger, but for the memory that its processes share."""
    files = [one for one in folder.iterdir() if one.is_file() and not one.name.endswith("-shm")]
    return {one.name: one.read_bytes() for one in files}


def run_as_other(folder: Path, *words: str) -> tuple[int, str, str]:
    """Run a command in a forked process, which may not write in the directory."""
    from wanflow.cli import main

    outputs = [Path(tempfile.mkstemp(dir="/tmp")[1]) for _ in range(2)]
    child = os.fork()
    if child == 0:
        code = 99
        try:
            with outputs[0].open("w") as out, outputs[1].open("w") as err:
                if os.geteuid() == 0:
                    os.setgroups([])
                    os.setresgid(NOBODY, NOBODY, NOBODY)
                    os.setresuid(NOBODY, NOBODY, NOBODY)
                with redirect_stdout(out), redirect_stderr(err):
                    try:
                        main(list(words))
                    except SystemExit as exit_:
                        code = int(exit_.code or 0)
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    texts = [path.read_text() for path in outputs]
    for path in outputs:
        path.unlink()
    return code, texts[0], texts[1]


@pytest.mark.processes
@pytest.mark.parametrize("state", ["closed", "killed", "open"])
def test_a_ledger_that_cannot_be_written_can_be_read(
    state: str, folder: Path, mock: MockServer, api_key: str
) -> None:
    """After its process ended or was killed, and beside one that writes; nothing is changed."""
    path, task_id = recorded(folder, mock, api_key)
    writing = Ledger(path) if state != "closed" else None
    if writing is not None:
        with Client(api_key, mock.base_url, ledger=writing) as client:
            task_id = client.submit(model=MODEL, prompt="a dog").id
    if state == "killed":
        # What a killed process leaves: the last job is in the log only.
        copy = folder / "copy"
        copy.mkdir()
        for end in ("", "-wal"):
            shutil.copyfile(f"{path}{end}", copy / f"ledger.db{end}")
        folder, path = copy, copy / "ledger.db"
    make_unwritable(folder)
    before = contents(folder)
    option = ("--ledger", str(path))
    for words in (("list",), ("show", task_id), ("export",)):
        code, out, err = run_as_other(folder, "ledger", *words, *option)
        assert code == 0, err
        assert task_id in out
        assert "it is read, but nothing can be recorded in it" in err
        assert len(err.strip().splitlines()) == 1
    assert contents(folder) == before
    if writing is not None:
        writing.close()


@pytest.mark.processes
def test_a_check_warns_that_nothing_can_be_recorded(
    folder: Path, mock: MockServer, api_key: str
) -> None:
    """It shows the price that is known; a submission would be refused."""
    path, _ = recorded(folder, mock, api_key)
    make_unwritable(folder)
    request = (MODEL, "--prompt", "a lake", "--ledger", str(path), "--base-url", mock.base_url)
    code, out, err = run_as_other(folder, "check", *request)
    assert code == 0, err
    assert "price:" in out
    assert "it can't be" in err
    assert "nothing can be recorded in it" in err
    code, out, _ = run_as_other(folder, "check", *request, "--json")
    assert json.loads(out)["event"] == "checked"


@pytest.mark.processes
@pytest.mark.parametrize("words", [("forget", "1", "--force"), ("resume",)])
def test_what_writes_says_what_to_do(
    words: tuple[str, ...], folder: Path, mock: MockServer, api_key: str
) -> None:
    """Exit code 14, one line."""
    path, _ = recorded(folder, mock, api_key)
    make_unwritable(folder)
    more = () if words[0] == "forget" else ("--base-url", mock.base_url)
    code, _, err = run_as_other(folder, "ledger", *words, "--ledger", str(path), *more)
    assert code == 14, err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.processes
def test_a_ledger_that_cannot_be_read_is_an_error(
    folder: Path, mock: MockServer, api_key: str
) -> None:
    """Its option is wrong."""
    path, _ = recorded(folder, mock, api_key)
    folder.chmod(0o555)
    path.chmod(0o000)
    code, _, err = run_as_other(folder, "ledger", "list", "--ledger", str(path))
    assert (code, "is not readable" in err) == (2, True), err
