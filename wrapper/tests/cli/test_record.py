"""Every command that pays writes it down, in the user's data folder or where it is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.helpers import IMAGE
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.helpers import Ended
    from wanflow.mock import MockServer

    Command = Callable[..., Ended]

WORDS = (IMAGE, "--prompt", "a fox")


@pytest.fixture
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the ledger is kept when nobody says so, in a data folder of the test's own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "wanflow" / "ledger.db"


def jobs(path: Path) -> list[Any]:
    with Ledger(path) as ledger:
        return ledger.jobs()


def test_a_run_is_in_the_usual_ledger(wanflow: Command, usual: Path) -> None:
    """Whoever names no ledger finds a run in that of the data folder, with its files."""
    assert wanflow("run", *WORDS, "-o", "out").code == 0
    (job,) = jobs(usual)
    assert job.state is JobState.SAVED
    assert job.files[0].path.exists()
    listed = json.loads(wanflow("ledger", "list", "--json").out)
    assert (listed["task_id"], listed["state"]) == (job.task_id, "saved")


def test_a_task_is_followed_from_command_to_command(wanflow: Command, usual: Path) -> None:
    """Submitting, looking, waiting and saving by four commands is one job."""
    task_id = json.loads(wanflow("submit", *WORDS, "--json").out)["task_id"]
    assert jobs(usual)[0].state is JobState.ACCEPTED
    assert wanflow("status", task_id).code == 0
    assert jobs(usual)[0].state is JobState.COMPLETED
    assert wanflow("wait", task_id).code == 0
    assert wanflow("download", task_id, "-o", "out").code == 0
    (job,) = jobs(usual)
    assert (job.state, job.task_id) == (JobState.SAVED, task_id)


def test_the_ledger_takes_up_what_a_command_left(wanflow: Command, usual: Path) -> None:
    """A submission that nobody waited for is waited for, and saved, by `wanflow ledger resume`."""
    wanflow("submit", *WORDS)
    assert wanflow("ledger", "resume", "-o", "out").code == 0
    assert jobs(usual)[0].state is JobState.SAVED


def test_files_of_a_task_from_elsewhere_are_recorded(wanflow: Command, usual: Path) -> None:
    """What is downloaded counts, whoever submitted it."""
    task_id = json.loads(wanflow("submit", *WORDS, "--json", "--no-ledger").out)["task_id"]
    assert wanflow("download", task_id, "-o", "out").code == 0
    (job,) = jobs(usual)
    assert (job.state, job.task_id, len(job.files)) == (JobState.SAVED, task_id, 1)


def test_another_ledger_can_be_named(
    wanflow: Command, usual: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """`--ledger` is taken before the environment, and that before the data folder."""
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    environment["WANFLOW_LEDGER"] = str(first)
    wanflow("submit", *WORDS)
    wanflow("submit", *WORDS, "--ledger", str(second), "--no-prompts")
    assert len(jobs(first)) == 1
    assert jobs(second)[0].body == {"model": IMAGE}
    assert not usual.exists()


def test_whoever_wants_no_record_leaves_none(wanflow: Command, usual: Path) -> None:
    """`--no-ledger` makes no file, and a ledger beside it is a contradiction."""
    assert wanflow("run", *WORDS, "-o", "out", "--no-ledger").code == 0
    assert wanflow("run", *WORDS, "--dry-run").code == 0
    assert not usual.parent.exists()
    assert wanflow("submit", *WORDS, "--no-ledger", "--ledger", "x.db").code == 2


def test_nothing_is_sent_that_cannot_be_recorded(
    wanflow: Command, usual: Path, server: MockServer, api_key: str, tmp_path: Path
) -> None:
    """A ledger that can't be made ends the command before the API is asked, and says what helps."""
    (tmp_path / "file").write_text("")
    done = wanflow("submit", *WORDS, "--ledger", "file/ledger.db")
    assert done.code == 14
    assert "--no-ledger" in done.err
    assert server.accounts.for_key(api_key).submitted == 0


def test_the_command_to_resume_names_the_ledger(wanflow: Command, usual: Path) -> None:
    """Whoever runs into a timeout is given a command that records where this one did."""
    words = ("--timeout", "0", "--ledger", "here.db")
    done = wanflow("run", IMAGE, "--prompt", "[mock:progression=never] a fox", *words)
    assert done.code == 8
    assert "--ledger here.db" in done.err
