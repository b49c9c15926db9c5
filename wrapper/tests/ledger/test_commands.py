"""`wanflow ledger` lists recorded jobs, and resumes unfinished ones."""

from __future__ import annotations

import csv
import json
import shlex
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from wanflow import Client, errors
from wanflow.cli import main
from wanflow.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow.mock import MockServer


class LedgerCommand:
    """Runs `wanflow ledger …` on one ledger."""

    def __init__(
        self, location: Path | str, mock: MockServer, api_key: str, base_url: str | None = None
    ) -> None:
        self._location = location
        address = base_url or mock.base_url
        self._environment = {"WANFLOW_API_KEY": api_key, "WANFLOW_BASE_URL": address}

    def __call__(self, *words: str, code: int = 0) -> Any:
        command = ["ledger", *words, "--ledger", str(self._location)]
        done = CliRunner().invoke(main, command, env=self._environment)
        assert done.exit_code == code, done.output
        return done


@pytest.fixture
def ledger_command(location: Path | str, mock: MockServer, api_key: str) -> LedgerCommand:
    return LedgerCommand(location, mock, api_key)


@pytest.fixture
def task_id(location: Path | str, mock: MockServer, api_key: str, model: str) -> str:
    """The accepted task of a ledger that also has an uncertain and a rejected job."""
    with Ledger(location) as ledger, Client(api_key, mock.base_url, ledger=ledger) as client:
        task = client.submit({"model": model, "prompt": "=a fox"})
        rule = mock.faults.add("lost-response", count=1, account=mock.accounts.for_key(api_key))
        for prompt in ("x", "[mock:code=400]"):
            with pytest.raises(errors.WanflowError):
                client.submit({"model": model, "prompt": prompt})
        mock.faults.remove(rule.id)
        return task.id


def test_listing_shows_every_job_and_what_to_do(
    ledger_command: LedgerCommand, task_id: str, location: Path | str
) -> None:
    """The newest comes first, and the ways out of an uncertain job are commands."""
    listed = ledger_command("list")
    heading, *lines = listed.stdout.splitlines()
    assert heading.split() == [
        *("JOB", "DATE", "STATE", "CREDITS", "MODEL", "TASK", "NAME", "DETAILS", "PROMPT"),
    ]
    today = datetime.now().astimezone().strftime("%Y-%m-%d")
    assert [[line.split()[n] for n in (0, 1, 3)] for line in lines] == [
        ["3", today, "refused"],
        ["2", today, "uncertain"],
        ["1", today, "accepted"],
    ]
    assert "ask about idempotency key" in lines[1]
    with Ledger(location) as ledger:
        key = ledger.jobs()[1].key
    assert key is not None
    assert lines[1].count(key) == 1
    assert task_id in lines[2]
    assert lines[2].endswith("  =a fox")
    first, *ways = listed.stderr.splitlines()
    assert first.startswith("job 2 is uncertain, and may have been charged")
    only = ledger_command("list", "--state", "accepted", "--json").stdout.splitlines()
    assert [json.loads(line)["task_id"] for line in only] == [task_id]
    show, resend, resolve, discard = (shlex.split(way) for way in ways)
    assert resolve[2:6] == ["resolve", "2", "--task", "ID"]
    assert discard[2:4] == ["discard", "2"]
    for words in (show, resend):
        ledger_command(*words[2 : words.index("--ledger")])
    assert ledger_command("list", "--state", "uncertain").stderr == "no jobs\n"


def test_the_users_name_is_listed_and_finds_the_job(
    ledger_command: LedgerCommand,
    path: Path,
    mock: MockServer,
    api_key: str,
    model: str,
    tmp_path: Path,
) -> None:
    """The key of a batch job is in the list, and `show` and `forget` accept it."""
    with Ledger(path) as ledger, Client(api_key, mock.base_url, ledger=ledger) as client:
        jobs = [{"model": model, "prompt": "x", "key": "poster 7"}, {"model": model, "prompt": "y"}]
        report = client.batch(jobs, tmp_path / "out")
    named = next(one for one in report.results if one.job.key)
    (row,) = [line for line in ledger_command("list").stdout.splitlines() if "poster 7" in line]
    assert f"  {named.task_id}  poster 7" in row
    shown = json.loads(ledger_command("show", "poster 7", "--json").stdout)
    assert (shown["name"], shown["task_id"]) == ("poster 7", named.task_id)
    ledger_command("forget", "poster 7")
    assert "poster 7" not in ledger_command("list").stdout
    assert len(ledger_command("list").stdout.splitlines()) == 2


def test_a_job_is_found_by_number_task_id_or_key(
    ledger_command: LedgerCommand, task_id: str
) -> None:
    """Its number, its task's id and its key find the same job."""
    found = json.loads(ledger_command("show", task_id, "--json").stdout)
    for reference in ("1", found["key"]):
        assert json.loads(ledger_command("show", reference, "--json").stdout) == found
    assert "a fox" in ledger_command("show", "1").stdout
    assert "no job" in ledger_command("show", "99", code=2).output


def test_resume_saves_files_and_reports_uncertain_jobs(
    ledger_command: LedgerCommand, task_id: str, tmp_path: Path
) -> None:
    """The files are saved, the uncertain job is reported, and the exit code says so."""
    done = ledger_command("resume", "-o", str(tmp_path / "out"), code=15)
    assert done.stdout.strip() == str(next((tmp_path / "out").iterdir()))
    assert "ask the provider" in done.stderr
    assert "1 resumed, 1 not resumed to the end" in done.stderr
    again = ledger_command("resume", "-o", str(tmp_path / "out"), code=15)
    assert "0 resumed, 1 not resumed to the end" in again.stderr
    ledger_command("resume", "--resubmit-uncertain", "-o", str(tmp_path / "out"))
    assert ledger_command("list", "--state", "uncertain").stdout == ""


def test_only_finished_jobs_are_forgotten_without_force(
    ledger_command: LedgerCommand, task_id: str
) -> None:
    """Finished jobs are forgotten, others only with --force."""
    assert "--force" in ledger_command("forget", "2", code=2).output
    assert "1 forgotten" in ledger_command("forget", "--finished").output
    assert "0 forgotten" in ledger_command("forget", "--finished", "--days", "1").output
    ledger_command("forget", "2", "--force")
    assert len(ledger_command("list").stdout.splitlines()) == 2


def test_every_job_is_exported(ledger_command: LedgerCommand, task_id: str, tmp_path: Path) -> None:
    """JSON lines and CSV have all jobs, and no cell is a formula."""
    lines = ledger_command("export").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [1, 2, 3]
    ledger_command("export", "--format", "csv", str(tmp_path / "jobs.csv"))
    with (tmp_path / "jobs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["1", "2", "3"]
    assert not any(cell.startswith("=") for row in rows for cell in row.values())


def test_without_a_ledger_there_is_nothing_to_show(
    ledger_command: LedgerCommand, path: Path
) -> None:
    """Listing creates no ledger, and says that there is none."""
    assert "nothing was recorded" in ledger_command("list", code=14).output
    assert not path.exists()
