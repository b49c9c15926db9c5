"""`--name` names the files, in each command that saves files or submits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.helpers import IMAGE
from wanflow.ledger import Ledger
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.helpers import CommandResult

REQUEST = [IMAGE, "--prompt", "A lake"]


def names(done: CommandResult) -> list[str]:
    assert done.code == 0, done.err
    return [Path(line).name for line in done.out.splitlines()]


def test_run_wait_and_download(wanflow: Callable[..., CommandResult]) -> None:
    """A later command uses the name that the task was submitted with, unless it gives another."""
    assert names(wanflow("run", *REQUEST, "-o", "out", "--name", "{index}")) == ["1.png"]
    (task_id,) = names(wanflow("submit", *REQUEST, "--name", "{model}"))
    assert names(wanflow("wait", task_id, "-o", "out")) == [f"{IMAGE}.png"]
    assert names(wanflow("download", task_id, "-o", "out", "--name", "x")) == ["x.png"]


def test_resume(wanflow: Callable[..., CommandResult], tmp_path: Path) -> None:
    """A job keeps the name that it was submitted with; the others get that of the command."""
    for name in (["--name", "first"], []):
        assert wanflow("submit", *REQUEST, *name).code == 0
    assert wanflow("ledger", "resume", "-o", "out", "--name", "{model}").code == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"first.png", f"{IMAGE}.png"}


def test_the_way_to_resume_has_the_name(
    wanflow: Callable[..., CommandResult], api_key: str
) -> None:
    """A wait that times out says how to continue, with the same name."""
    with MockServer(polls=99) as slow:
        done = wanflow(
            *("run", *REQUEST, "-o", "out", "--name", "{model} a", "--timeout", "0.05"),
            given={"WANFLOW_BASE_URL": slow.base_url, "WANFLOW_API_KEY": api_key},
        )
    assert done.code != 0
    assert "--name '{model} a'" in done.err


def test_a_job_of_the_ledger_shows_its_template(
    wanflow: Callable[..., CommandResult], tmp_path: Path
) -> None:
    """As JSON; without one it is null."""
    wanflow("submit", *REQUEST, "--name", "first", "--ledger", "l.db")
    with Ledger(tmp_path / "l.db") as ledger:
        (job,) = ledger.jobs()
    done = wanflow("ledger", "show", str(job.task_id), "--json", "--ledger", "l.db")
    assert json.loads(done.out)["name_template"] == "first"
    assert done.events


@pytest.mark.parametrize(
    "command",
    [
        ["run", *REQUEST, "-o", "out"],
        ["submit", *REQUEST],
        ["wait", "task-unified-1-aaaaaaaa", "-o", "out"],
        ["download", "task-unified-1-aaaaaaaa", "-o", "out"],
        ["ledger", "resume", "-o", "out"],
        ["batch", "-", "-o", "out"],
    ],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize("name", ["../{index}", "{prompt}", ""])
def test_an_invalid_template_is_a_usage_error(
    wanflow: Callable[..., CommandResult], command: list[str], name: str
) -> None:
    """In each of the commands; nothing is sent."""
    done = wanflow(*command, "--name", name)
    assert done.code == 2
    assert f"the name {name!r} can't be used" in done.err


@pytest.mark.parametrize(
    "command",
    [
        ["submit", *REQUEST, "--no-ledger"],
        ["run", *REQUEST, "--no-ledger"],
        ["wait", "task-unified-1-aaaaaaaa"],
        ["ledger", "resume"],
    ],
    ids=lambda words: words[0],
)
def test_a_name_without_its_files_is_a_usage_error(
    wanflow: Callable[..., CommandResult], command: list[str]
) -> None:
    """It would be forgotten."""
    done = wanflow(*command, "--name", "x")
    assert done.code == 2
    assert "--name" in done.err
