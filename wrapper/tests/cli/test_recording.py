"""Every command that submits records it, in the default ledger or in a given one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.helpers import IMAGE
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.helpers import CommandResult
    from wanflow.mock import MockServer

    Command = Callable[..., CommandResult]

WORDS = (IMAGE, "--prompt", "a fox")


@pytest.fixture
def default_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default path of the ledger, in a data directory of this test."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "wanflow" / "ledger.db"


def jobs(path: Path) -> list[Any]:
    with Ledger(path) as ledger:
        return ledger.jobs()


def test_a_run_is_in_the_default_ledger(wanflow: Command, default_ledger: Path) -> None:
    """Without options a run is recorded in the default ledger, with its files."""
    assert wanflow("run", *WORDS, "-o", "out").code == 0
    (job,) = jobs(default_ledger)
    assert job.state is JobState.SAVED
    assert job.files[0].path.exists()
    listed = json.loads(wanflow("ledger", "list", "--json").out)
    assert (listed["task_id"], listed["state"]) == (job.task_id, "saved")


def test_several_commands_update_one_job(wanflow: Command, default_ledger: Path) -> None:
    """Submission, poll, wait and download by four commands are one job."""
    task_id = json.loads(wanflow("submit", *WORDS, "--json").out)["task_id"]
    assert jobs(default_ledger)[0].state is JobState.ACCEPTED
    assert wanflow("status", task_id).code == 0
    assert jobs(default_ledger)[0].state is JobState.COMPLETED
    assert wanflow("wait", task_id).code == 0
    assert wanflow("download", task_id, "-o", "out").code == 0
    (job,) = jobs(default_ledger)
    assert (job.state, job.task_id) == (JobState.SAVED, task_id)


def test_ledger_resume_completes_a_submission(wanflow: Command, default_ledger: Path) -> None:
    """A submission that nobody waited for is waited for, and saved, by `wanflow ledger resume`."""
    wanflow("submit", *WORDS)
    assert wanflow("ledger", "resume", "-o", "out").code == 0
    assert jobs(default_ledger)[0].state is JobState.SAVED


@pytest.mark.parametrize("command", ["run", "submit"])
def test_an_uncertain_job_ends_with_the_command_that_shows_how_to_settle_it(
    wanflow: Command, tmp_path: Path, command: str
) -> None:
    """For the ledger that has the job; without a ledger there is none to show."""
    words = (command, IMAGE, "--prompt", "a fox [mock:fault=lost-response]")
    ledger = str(tmp_path / "own.db")
    done = wanflow(*words, "--ledger", ledger)
    assert done.code == 10
    shown = done.err.splitlines()[-1].partition("   ")[0].strip()
    assert shown == f"wanflow ledger list --state uncertain --ledger {ledger}"
    listed = wanflow(*shown.split()[1:])
    assert f"wanflow ledger discard 1 --ledger {ledger}" in listed.out + listed.err
    assert "wanflow ledger list" not in wanflow(*words, "--no-ledger").err


def test_files_of_a_task_from_elsewhere_are_recorded(
    wanflow: Command, default_ledger: Path
) -> None:
    """A download is recorded, with any submitter."""
    task_id = json.loads(wanflow("submit", *WORDS, "--json", "--no-ledger").out)["task_id"]
    assert wanflow("download", task_id, "-o", "out").code == 0
    (job,) = jobs(default_ledger)
    assert (job.state, job.task_id, len(job.files)) == (JobState.SAVED, task_id, 1)


def test_another_ledger_can_be_named(
    wanflow: Command, default_ledger: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """`--ledger` takes precedence over the environment, and that over the default."""
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    environment["WANFLOW_LEDGER"] = str(first)
    wanflow("submit", *WORDS)
    wanflow("submit", *WORDS, "--ledger", str(second), "--no-prompts")
    assert len(jobs(first)) == 1
    assert jobs(second)[0].body == {"model": IMAGE}
    assert not default_ledger.exists()


def test_no_ledger_records_nothing(wanflow: Command, default_ledger: Path) -> None:
    """`--no-ledger` creates no file, and excludes `--ledger`."""
    assert wanflow("run", *WORDS, "-o", "out", "--no-ledger").code == 0
    assert wanflow("run", *WORDS, "--dry-run").code == 0
    assert not default_ledger.parent.exists()
    assert wanflow("submit", *WORDS, "--no-ledger", "--ledger", "x.db").code == 2


def test_nothing_is_sent_that_cannot_be_recorded(
    wanflow: Command, default_ledger: Path, server: MockServer, api_key: str, tmp_path: Path
) -> None:
    """If the ledger can't be created, nothing is sent, and the error says what to do."""
    (tmp_path / "file").write_text("")
    done = wanflow("submit", *WORDS, "--ledger", "file/ledger.db")
    assert done.code == 14
    assert "--no-ledger" in done.err
    assert server.accounts.for_key(api_key).submitted == 0


def test_the_command_to_resume_names_the_ledger(wanflow: Command, default_ledger: Path) -> None:
    """The command printed after a timeout has the same ledger."""
    words = ("--timeout", "0", "--ledger", "here.db")
    done = wanflow("run", IMAGE, "--prompt", "[mock:progression=never] a fox", *words)
    assert done.code == 8
    assert "--ledger here.db" in done.err
