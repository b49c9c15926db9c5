"""A resume reports what remains, and gives up no task before its files expire."""

from __future__ import annotations

import json
from shlex import quote
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.ledger.test_commands import LedgerCommand
from tests.ledgers import execute
from wanflow import Client, errors
from wanflow.ledger import JobState, Ledger
from wanflow.ledger.export import isoformat

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ledger.conftest import SyncRunner
    from wanflow.mock import MockServer

_DAY = 24 * 3600


def complete(do: SyncRunner, model: str, *prompts: str) -> list[str]:
    """Complete tasks like a process that is killed before it saves files."""

    names: list[str] = []
    for prompt in prompts:
        task = do(lambda client, prompt=prompt: client.submit(model=model, prompt=prompt))
        names.append(task.id)
        do(lambda client, name=task.id: client.task(name).wait())
    return names


def age(location: Path | str, seconds: float, task_id: str | None = None) -> None:
    """Make jobs older than they are."""
    query = "UPDATE job SET created = created - ?, accepted = accepted - ?"
    which = ("", []) if task_id is None else (" WHERE task = ?", [task_id])
    assert execute(location, query + which[0], [seconds, seconds, *which[1]])


def states(ledger: Ledger) -> list[str]:
    return [str(job.state) for job in ledger.jobs()]


def test_unsaved_files_are_saved_if_a_directory_is_given(
    do: SyncRunner, ledger: Ledger, location: Path | str, model: str, tmp_path: Path
) -> None:
    """The files of completed tasks are saved, those whose URLs expire first, first."""
    early, later, late = complete(do, model, "a", "b", "c")
    age(location, 3600, late)
    age(location, 60, later)
    left = do(lambda client: client.resume_all()).remaining
    assert [job.task_id for job in left.unsaved] == [late, later, early]
    assert left.files == 3
    endings = do(lambda client: client.resume_all(tmp_path / "out", max_concurrency=1))
    assert [ending.job.task_id for ending in endings] == [late, later, early]
    assert [ending.error for ending in endings] == [None] * 3
    assert states(ledger) == ["saved"] * 3
    assert len(list((tmp_path / "out").iterdir())) == 3
    assert endings.remaining.files == 0


def test_files_whose_urls_have_expired_are_not_requested(
    do: SyncRunner, ledger: Ledger, location: Path | str, model: str, tmp_path: Path
) -> None:
    """Tasks whose URLs have expired are neither resumed nor reported."""
    complete(do, model, "a")
    age(location, _DAY + 2)  # the date of a response is a whole second
    endings = do(lambda client: client.resume_all(tmp_path / "out"))
    assert endings == []
    assert endings.remaining.files == 0


def test_the_command_reports_unsaved_files_and_how_to_save_them(
    do: SyncRunner,
    ledger: Ledger,
    location: Path | str,
    model: str,
    mock: MockServer,
    api_key: str,
    tmp_path: Path,
) -> None:
    """The printed command saves them; the list has their expiry and cost."""
    (name,) = complete(do, model, "a")
    (job,) = ledger.jobs()
    until = isoformat(job.links_expire_at)
    assert until is not None
    ledger_command = LedgerCommand(location, mock, api_key)
    said = ledger_command("resume").stderr
    assert "1 file is not saved" in said
    assert until in said
    assert f"wanflow ledger resume --output-dir out --ledger {quote(str(location))}" in said
    _, row = ledger_command("list").stdout.splitlines()
    assert name in row
    assert f"{job.credits:g}" in row.split()
    assert f"links are valid until {until}" in row
    event = json.loads(ledger_command("resume", "--json").stdout)
    assert (event["event"], event["files"], event["expires"]) == ("remaining", 1, until)
    assert "1 resumed" in ledger_command("resume", "--output-dir", str(tmp_path / "out")).stderr
    assert states(ledger) == ["saved"]


def test_jobs_of_another_server_are_reported_and_get_no_key(
    do: SyncRunner, location: Path | str, model: str, mock: MockServer, api_key: str
) -> None:
    """A resume with another base URL resumes nothing, and names the server of the jobs."""
    do(lambda client: client.submit(model=model, prompt="a"))
    do(lambda client: client.submit(model=model, prompt="b"))
    seen = mock.accounts.for_key("key-for-other-server").submitted
    other_server = LedgerCommand(
        location, mock, "key-for-other-server", base_url=f"{mock.base_url}/other"
    )
    said = other_server("resume").stderr
    assert f"2 unfinished jobs belong to another server ({mock.base_url})" in said
    assert "0 resumed" in said
    assert mock.accounts.for_key("key-for-other-server").submitted == seen
    assert "another server" not in LedgerCommand(location, mock, api_key)("resume").stderr


def test_another_key_loses_nothing(
    do: SyncRunner,
    ledger: Ledger,
    location: Path | str,
    model: str,
    mock: MockServer,
    tmp_path: Path,
) -> None:
    """A 404 within 24 hours leaves a task unfinished, and the right key finds it again."""
    names = [do(lambda client: client.submit(model=model, prompt="x")).id for _ in range(2)]
    age(location, 120)  # younger ones are polled for a minute
    said = LedgerCommand(location, mock, uuid4().hex)(
        "resume", "--output-dir", str(tmp_path / "out"), code=15
    ).stderr
    assert said.count("it stays unfinished") == 2
    assert states(ledger) == ["accepted", "accepted"]
    assert all(job.reason and not job.finished for job in ledger.jobs())
    endings = do(lambda client: client.resume_all(tmp_path / "out"))
    assert sorted(str(ending.job.task_id) for ending in endings) == sorted(names)
    assert states(ledger) == ["saved", "saved"]
    assert [job.reason for job in ledger.jobs()] == [None, None]


def test_an_unknown_task_is_lost_after_24_hours_until_it_is_found_again(
    do: SyncRunner, ledger: Ledger, location: Path | str, model: str, mock: MockServer
) -> None:
    """After 24 hours a 404 means lost; a task that is found again is accepted again."""
    name = do(lambda client: client.submit(model=model, prompt="[mock:progression=polls=2] x")).id
    age(location, _DAY + 2)  # the date of a response is a whole second
    with (
        Client(uuid4().hex, mock.base_url, ledger=ledger) as other_client,
        pytest.raises(errors.NotFound),
    ):
        other_client.task(name).wait()
    assert states(ledger) == ["lost"]
    do(lambda client: client.task(name).refresh())
    assert ledger.jobs()[0].state is JobState.ACCEPTED
    assert ledger.jobs()[0].reason is None
