"""A database that was restored from a backup: what it shows as planned may have been paid for."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tests.postgres import find_programs
from wanflow import AsyncClient
from wanflow.cli import main
from wanflow.errors import ConfigurationError
from wanflow.queue import StopSignal, Worker, schema
from wanflow.queue.engine import StepKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch


def run_program(name: str, *words: str) -> None:
    """Run a program of PostgreSQL."""
    programs = find_programs()
    assert programs is not None
    subprocess.run([str(programs / name), *words], check=True, capture_output=True)


def test_a_dump_that_is_older_than_what_was_paid_for_sends_nothing_again(
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    new_worker: Callable[..., ManualWorker],
    account: Account,
    queue: str,
    server: MockServer,
    api_key: str,
    tmp_path: Path,
) -> None:
    """Whatever was planned is uncertain, once its user has seen that the queue was restored."""
    add_jobs(4, max_credits=1000)
    worker.turn([StepKind.SUBMIT], limit=1)
    dump = tmp_path / "dump.sql"
    run_program("pg_dump", f"--file={dump}", queue)
    worker.drain()
    assert worker.states() == {"saved": 4}
    worker.execute("DROP SCHEMA wanflow CASCADE")
    run_program("psql", "--quiet", f"--file={dump}", queue)
    assert worker.states() == {"accepted": 1, "planned": 3}
    assert schema.initialize(queue).changes == 0
    with pytest.raises(ConfigurationError, match="wanflow queue restored"):
        Worker(AsyncClient(api_key, server.base_url), queue, spool=tmp_path / "spool")
    with pytest.raises(ConfigurationError, match="wanflow queue restored"):
        add_jobs(4, max_credits=1000)
    ended = CliRunner(env={"WANFLOW_QUEUE": queue}).invoke(main, ["queue", "restored"])
    assert (ended.exit_code, ended.stderr) == (0, "3 uncertain\n")
    other = new_worker()
    other.sweep()
    other.drain()
    assert other.states() == {"saved": 1, "uncertain": 3}
    assert account.submitted == 4
    schema.require_workable(other.database)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE wanflow.queue_version SET version = 99", "the queue has version 99"),
        ("UPDATE wanflow.queue_version SET version = 2", "needs version .*: run wanflow queue"),
        ("INSERT INTO wanflow.wanflow_schema VALUES (99)", "ledger of the queue has version 99"),
    ],
)
def test_tables_of_another_version_end_a_worker_in_one_sentence(
    queue: str,
    worker: ManualWorker,
    server: MockServer,
    api_key: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
    words: str,
) -> None:
    """One that runs, as in an upgrade, and one that is started."""
    monkeypatch.setattr("wanflow.queue.sweeper.SWEEP_INTERVAL", 0.05)

    def new() -> Worker:
        return Worker(AsyncClient(api_key, server.base_url), queue, spool=tmp_path / "spool")

    running = new()
    worker.execute(change)
    with pytest.raises(ConfigurationError, match=words):
        running.run(StopSignal())
    with pytest.raises(ConfigurationError, match=words):
        new()
