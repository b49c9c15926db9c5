"""The commands of a queue, and what they print."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from tests.any_model import model_name
from tests.cli.helpers import CommandResult
from tests.queue.manual_worker import QUEUE_EVENTS
from tests.queue.test_steps import SUBMIT
from wanflow.cli import main
from wanflow.queue.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock import MockServer
    from wanflow.queue.handle import QueuedBatch


@pytest.fixture
def wanflow(queue: str, server: MockServer, api_key: str) -> Callable[..., CommandResult]:
    """Run a command in this process."""
    environment = {
        "WANFLOW_QUEUE": queue,
        "WANFLOW_API_KEY": api_key,
        "WANFLOW_BASE_URL": server.base_url,
    }

    def run(*words: str, **more: Any) -> CommandResult:
        done = CliRunner(env=environment).invoke(main, list(words), prog_name="wanflow", **more)
        assert "Traceback" not in done.stderr
        return CommandResult(done.exit_code, done.stdout, done.stderr)

    return run


def test_each_command_prints_events_of_the_schema(
    wanflow: Callable[..., CommandResult],
    queue: str,
    worker: ManualWorker,
    fault: Callable[..., AbstractContextManager[None]],
    tmp_path: Path,
) -> None:
    line = json.dumps({"model": model_name("image"), "prompt": "a cat"})
    batch = ("batch", "-", "--queue", queue, "--out", str(tmp_path), "--name", "run1")
    seen = wanflow(*batch, "--no-wait", "--json", input=line).events
    with fault("reset", operation=SUBMIT):
        worker.turn()
    said = wanflow(*batch, input=line).err
    assert "to settle what is uncertain, see:\n  wanflow queue uncertain --queue " in said
    for words in (("status",), ("uncertain",), ("retry", "--uncertain"), ("cancel", "--name=run1")):
        found = wanflow("queue", *words, "--json")
        assert found.code == 0, found.err
        seen += found.events
    assert {event["event"] for event in seen} == QUEUE_EVENTS


def test_init_creates_the_tables_and_warns_of_a_single_copy(
    wanflow: Callable[..., CommandResult], queue: str
) -> None:
    with Database(queue) as database, database.connection() as connection:
        connection.execute("DROP SCHEMA wanflow CASCADE")
    done = wanflow("queue", "init", queue)
    assert (done.code, done.out) == (0, "")
    assert "the queue is ready" in done.err
    assert "nothing had to be changed" not in done.err
    assert "warning: no synchronous standby is set" in done.err
    assert "nothing had to be changed" in wanflow("queue", "init", queue).err


def test_a_malformed_url_is_an_error_without_its_password(
    wanflow: Callable[..., CommandResult],
) -> None:
    done = wanflow("queue", "status", "--queue", "postgresql://someone:secret@[::1")
    assert done.code == 14
    assert "secret" not in done.err + done.out


def test_the_status_is_one_line_for_each_batch(
    wanflow: Callable[..., CommandResult], add_jobs: Callable[..., QueuedBatch]
) -> None:
    add_jobs(3)
    add_jobs(1, name="run2", max_credits=5)
    done = wanflow("queue", "status")
    assert done.out.splitlines() == [
        "run1 3 planned; 0 credits",
        "run2 1 planned; 0 of 5 credits",
    ]
    assert "4 steps in the queue, 4 of them due" in done.err


def test_an_unknown_batch_is_an_error(wanflow: Callable[..., CommandResult]) -> None:
    done = wanflow("queue", "cancel", "--name", "none")
    assert done.code == 2
    assert "no batch 'none'" in done.err


@pytest.mark.parametrize("option", ["--retries=2", "--ledger=x.db", "--max-concurrency=3"])
def test_an_option_without_effect_is_refused(
    wanflow: Callable[..., CommandResult], queue: str, tmp_path: Path, option: str
) -> None:
    line = json.dumps({"model": model_name("image"), "prompt": "a cat"})
    words = ("batch", "-", "--queue", queue, "-o", str(tmp_path), option)
    done = wanflow(*words, input=line)
    assert done.code == 2
    assert "has no effect with --queue" in done.err


def test_a_batch_takes_the_queue_of_the_environment_as_all_commands_do_and_an_empty_one_is_none(
    wanflow: Callable[..., CommandResult], worker: ManualWorker, tmp_path: Path
) -> None:
    line = json.dumps({"model": model_name("image"), "prompt": "a cat"})
    words = ("batch", "-", "-o", str(tmp_path), "--name", "run1")
    assert "1 job in the queue" in wanflow(*words, "--no-wait", input=line).err
    assert worker.states() == {"planned": 1}
    ledger = ("--ledger", str(tmp_path / "ledger.db"))
    refused = wanflow(*words, *ledger, input=line)
    assert refused.code == 2
    assert "--queue '' lets this command run them" in refused.err
    done = wanflow(*words, *ledger, "--queue", "", input=line)
    assert done.code == 0, done.err
    assert worker.states() == {"planned": 1}


@pytest.mark.parametrize("text", ["", "redis://x", "host=x password=secret"])
def test_what_is_no_url_of_a_database_is_refused(
    wanflow: Callable[..., CommandResult], text: str
) -> None:
    done = wanflow("queue", "status", "--queue", text)
    assert done.code == 2
    assert "is no postgresql:// URL of a database" in done.err


@pytest.mark.parametrize("name", ["{key}", "run-{index}"])
def test_a_template_of_file_names_is_refused_as_the_name_of_a_batch(
    wanflow: Callable[..., CommandResult], name: str
) -> None:
    """Without a queue `--name` names the files; the batch would be called by the template."""
    line = json.dumps({"model": model_name("image"), "prompt": "a cat"})
    words = ("batch", "-", "--queue", "postgresql://db.example.com/x", "-o", "out", "--name", name)
    done = wanflow(*words, input=line)
    assert done.code == 2
    assert f"it must have no braces (got {name!r})" in " ".join(done.err.split())
