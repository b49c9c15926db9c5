"""The tables get another version while workers run: each job is paid for once, and is saved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.any_model import model_name
from tests.queue.test_steps import SUBMIT
from tests.queue.test_worker import wait_until
from tests.queue_crash.processes import commands
from wanflow.ledger.ledger import Ledger
from wanflow.queue import schema
from wanflow.queue.database import Database
from wanflow.queue.engine import Engine

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account

JOBS = 60
OPEN = """
    SELECT 1 FROM wanflow.job
    WHERE state IN ('planned', 'intent', 'accepted', 'completed') AND parked IS NULL
"""
# Arguments: how many migrations this program has, what follows them, and its command.
_PROGRAM = """
import sys
from wanflow.cli import main
from wanflow.queue import restore, schema, sweeper
sweeper.SWEEP_INTERVAL = 1.0
known, more = int(sys.argv.pop(1)), sys.argv.pop(1)
# What older tables lack is read in these checks, and nowhere else.
if known < 5:
    schema.require_workable, schema.check_workable = (
        schema.require_installed, schema._require_version
    )
if known < 6:
    restore.Memory.check = restore.Memory.mark_intents = lambda *_: None
schema.MIGRATIONS = (*schema.MIGRATIONS, more)[:known]
main()
"""
# It locks the tables in another order than the steps do.
_NEXT = "".join(
    f"ALTER TABLE wanflow.{table} ADD COLUMN later text;" for table in ("rate", "batch", "job")
)
WORK = ("worker", "--submissions", "4", "--spool")
pytestmark = pytest.mark.slow  # processes are started


@pytest.fixture(params=[4, len(schema.MIGRATIONS)], ids=["4 to 5", "to the next"])
def version(request: pytest.FixtureRequest) -> int:
    """The older version of the tables."""
    return int(request.param)


@pytest.fixture
def queue(postgres_url: str, version: int) -> str:
    """The URL of an empty queue in the older version."""
    if version == len(schema.MIGRATIONS):
        schema.initialize(postgres_url)
        return postgres_url
    Ledger(postgres_url).close()
    with Database(postgres_url) as database, database.transaction() as connection:
        Engine.install(connection)
        connection.execute("CREATE TABLE wanflow.queue_version (version integer NOT NULL)")
        for script in schema.MIGRATIONS[:version]:
            connection.execute(script.encode())
        connection.execute("INSERT INTO wanflow.queue_version VALUES (%s)", [version])
    return postgres_url


@pytest.fixture
def start(
    queue: str, server: MockServer, api_key: str, tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start commands of a version, and kill those that are left."""
    variables = {
        "WANFLOW_API_KEY": api_key,
        "WANFLOW_BASE_URL": server.base_url,
        "WANFLOW_QUEUE": queue,
    }
    with commands(tmp_path, **variables) as begin:
        yield lambda version, *words: begin("-c", _PROGRAM, str(version), _NEXT, *words)


def test_a_migration_under_live_workers_pays_nothing_twice_and_loses_nothing(
    version: int,
    queue: str,
    start: Callable[..., subprocess.Popen[str]],
    worker: ManualWorker,
    server: MockServer,
    account: Account,
    fault: Callable[..., AbstractContextManager[None]],
    tmp_path: Path,
) -> None:
    """Workers of the older version end with a sentence, and those of the newer one go on."""
    model, jobs = model_name("image"), tmp_path / "jobs.jsonl"
    jobs.write_text(
        "".join(json.dumps({"model": model, "prompt": f"a cat {n}"}) + "\n" for n in range(JOBS))
    )
    words = ["batch", str(jobs), "--out", "out", "--max-credits", "1e9", "--no-wait"]
    expect(start(version, *words), 0)
    with fault("latency=3", operation=SUBMIT):
        older = [start(version, *WORK, f"older{number}") for number in range(2)]
        wait_until(lambda: bool(worker.states().get("accepted")))
        expect(start(version + 1, "queue", "init", queue), 0)
        newer = [start(version + 1, *WORK, f"newer{number}") for number in range(2)]
        for process in older:
            shown = expect(process, 3)
            assert "Traceback" not in shown
            assert shown.splitlines()[-1] == (
                f"wanflow: the queue has version {version + 1}, and this wanflow supports versions "
                f"up to {version}; use a newer wanflow"
            )
        assert worker.states().get("planned"), "the older workers have sent all jobs"
    wait_until(lambda: not worker.execute(OPEN))
    for process in newer:
        process.terminate()
        expect(process, 0)
    assert worker.states() == {"saved": JOBS}
    assert account.submitted == JOBS


def expect(process: subprocess.Popen[str], code: int) -> str:
    """Wait for the end of a command; return what it has shown."""
    shown, _ = process.communicate()
    assert process.returncode == code, shown
    return shown
