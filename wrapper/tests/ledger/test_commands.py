"""`wanflow ledger` shows what was paid for, and takes up what isn't finished."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from wanflow import Client, errors
from wanflow.cli import main
from wanflow.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow.mock import MockServer


class Shell:
    """Runs `wanflow ledger …` on one ledger."""

    def __init__(
        self, path: Path, mock: MockServer, api_key: str, base_url: str | None = None
    ) -> None:
        self._path = path
        address = base_url or mock.base_url
        self._environment = {"WANFLOW_API_KEY": api_key, "WANFLOW_BASE_URL": address}

    def __call__(self, *words: str, code: int = 0) -> Any:
        command = ["ledger", *words, "--ledger", str(self._path)]
        done = CliRunner().invoke(main, command, env=self._environment)
        assert done.exit_code == code, done.output
        return done


@pytest.fixture
def shell(path: Path, mock: MockServer, api_key: str) -> Shell:
    return Shell(path, mock, api_key)


@pytest.fixture
def task_id(path: Path, mock: MockServer, api_key: str, model: str) -> str:
    """A ledger with an accepted task, one in doubt, and one that was refused."""
    with Ledger(path) as ledger, Client(api_key, mock.base_url, ledger=ledger) as client:
        task = client.submit(model=model, prompt="=a fox")
        rule = mock.faults.add("lost-response", count=1, account=mock.accounts.for_key(api_key))
        for prompt in ("x", "[mock:code=400]"):
            with pytest.raises(errors.WanflowError):
                client.submit(model=model, prompt=prompt)
        mock.faults.remove(rule.id)
        return task.id


def test_listing_shows_every_job_and_what_to_do(shell: Shell, task_id: str) -> None:
    """The newest comes first, and a doubt is shown with the key to ask about."""
    lines = shell("list").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["3", "refused"],
        ["2", "uncertain"],
        ["1", "accepted"],
    ]
    assert "ask about idempotency key" in lines[1]
    assert task_id in lines[2]
    only = shell("list", "--state", "accepted", "--json").stdout.splitlines()
    assert [json.loads(line)["task_id"] for line in only] == [task_id]


def test_the_users_name_is_listed_and_finds_the_job(
    shell: Shell, path: Path, mock: MockServer, api_key: str, model: str, tmp_path: Path
) -> None:
    """A batch's key is in the list beside the task, shows the job, and can be forgotten by."""
    with Ledger(path) as ledger, Client(api_key, mock.base_url, ledger=ledger) as client:
        jobs = [{"model": model, "prompt": "x", "key": "poster 7"}, {"model": model, "prompt": "y"}]
        report = client.batch(jobs, tmp_path / "out")
    named = next(one for one in report.results if one.job.key)
    (row,) = [line for line in shell("list").stdout.splitlines() if "poster 7" in line]
    assert f"  {named.task_id}  poster 7" in row
    shown = json.loads(shell("show", "poster 7", "--json").stdout)
    assert (shown["name"], shown["task_id"]) == ("poster 7", named.task_id)
    shell("forget", "poster 7")
    assert "poster 7" not in shell("list").stdout
    assert len(shell("list").stdout.splitlines()) == 1


def test_a_job_is_found_by_whatever_is_known_of_it(shell: Shell, task_id: str) -> None:
    """Its number, its task's id and its key lead to the same job."""
    found = json.loads(shell("show", task_id, "--json").stdout)
    for reference in ("1", found["key"]):
        assert json.loads(shell("show", reference, "--json").stdout) == found
    assert "a fox" in shell("show", "1").stdout
    assert "no job" in shell("show", "99", code=2).output


def test_resume_saves_what_was_paid_for_and_tells_what_is_in_doubt(
    shell: Shell, task_id: str, tmp_path: Path
) -> None:
    """The files are saved, the doubt is told, and the exit code says that not all is done."""
    done = shell("resume", "-o", str(tmp_path / "out"), code=15)
    assert done.stdout.strip() == str(next((tmp_path / "out").iterdir()))
    assert "ask the provider" in done.stderr
    shell("resume", "--resubmit-uncertain", "-o", str(tmp_path / "out"))
    assert shell("list", "--state", "uncertain").stdout == ""


def test_what_may_have_been_paid_for_is_not_forgotten_lightly(shell: Shell, task_id: str) -> None:
    """Jobs at an end are forgotten, others only by force."""
    assert "--force" in shell("forget", "2", code=2).output
    assert "1 forgotten" in shell("forget", "--finished").output
    assert "0 forgotten" in shell("forget", "--finished", "--days", "1").output
    shell("forget", "2", "--force")
    assert len(shell("list").stdout.splitlines()) == 1


def test_every_job_is_exported(shell: Shell, task_id: str, tmp_path: Path) -> None:
    """JSON lines and CSV hold all jobs, and no cell is a formula."""
    lines = shell("export").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [1, 2, 3]
    shell("export", "--format", "csv", str(tmp_path / "jobs.csv"))
    with (tmp_path / "jobs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["1", "2", "3"]
    assert not any(cell.startswith("=") for row in rows for cell in row.values())


def test_without_a_ledger_there_is_nothing_to_show(shell: Shell, path: Path) -> None:
    """Looking makes no ledger, and says that there is none."""
    assert "nothing was recorded" in shell("list", code=14).output
    assert not path.exists()
