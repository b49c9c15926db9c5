"""What holds whatever workers do: fences, priorities, durable intents, and the database's clock."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.any_model import model_name
from tests.queue.manual_worker import enqueue
from tests.queue.test_worker import wait_until
from tests.waiting import TIME_LIMIT
from wanflow.errors import LedgerError
from wanflow.queue.engine import MAX_PRIORITY, NextStep, StepKind
from wanflow.queue.recorder import StepRecorder

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch
    from wanflow.queue.work import Work

# A worker whose machine has another time, or one that jumps between several.
_WRONG_CLOCK = """
import random, sys, time
offsets, real, real_ns = list(map(float, sys.argv.pop(1).split())), time.time, time.time_ns
time.time = lambda: real() + random.choice(offsets)
time.time_ns = lambda: real_ns() + int(random.choice(offsets) * 1e9)
from wanflow.__main__ import main
main()
"""


def reach(worker: ManualWorker, kind: StepKind) -> list[Work]:
    """Run steps until one of a kind is due, and take it."""
    if kind is StepKind.RESOLVE:
        worker.intend(*worker.take([StepKind.SUBMIT]))
        worker.execute("TRUNCATE wanflow.queue")
        worker.execute("UPDATE wanflow.job SET sending_until = 0")
        worker.sweep()
    worker.make_due()
    while not (works := worker.take([kind])):
        worker.turn()
        worker.make_due()
    return works


@pytest.mark.parametrize("kind", StepKind)
@pytest.mark.parametrize("refilled", [False, True], ids=["returned", "refilled"])
def test_a_write_with_an_old_step_changes_nothing_whatever_the_step(
    add_jobs: Callable[..., QueuedBatch],
    new_worker: Callable[..., ManualWorker],
    account: Account,
    kind: StepKind,
    refilled: bool,
) -> None:
    """The late worker has read its step, and another one has run all that follows."""
    add_jobs(1)
    late, other = new_worker(), new_worker()
    works = reach(late, kind)
    if refilled:
        other.execute("TRUNCATE wanflow.queue")
        other.sweep()
    else:
        late.die()
    other.drain()
    submitted = account.submitted
    before = other.execute("SELECT * FROM wanflow.job")
    late.run(works)
    assert other.execute("SELECT * FROM wanflow.job") == before
    assert other.rows() == 0
    assert account.submitted == submitted


def test_a_step_that_another_worker_has_by_now_is_not_given_back(
    add_jobs: Callable[..., QueuedBatch], new_worker: Callable[..., ManualWorker]
) -> None:
    """Its end couldn't be written for longer than a lease."""
    add_jobs(2)
    late, other = new_worker(), new_worker()
    (lost, _) = late.take()
    late.die()
    (taken,) = other.take(limit=1)
    assert taken.row.id == lost.row.id
    (kept,) = late.take()
    with late.database.connection() as connection:
        late.engine.give_back(connection, [lost.row.id, kept.row.id])
    found = late.execute("SELECT id FROM wanflow.queue WHERE status = 'picked'")
    assert found == [(taken.row.id,)]


def test_uncertainty_comes_first_then_downloads_by_their_expiry_then_polls(
    worker: ManualWorker,
) -> None:
    """Also those that the sweeper enqueues, which knows no expiry."""
    given = [
        NextStep(StepKind.POLL, worker.server, 1, 1),
        NextStep(StepKind.DOWNLOAD, worker.server, 2, 1),
        NextStep(StepKind.DOWNLOAD, worker.server, 3, 1, priority=7),
        NextStep(StepKind.RESOLVE, worker.server, 4, 1),
        NextStep(StepKind.DOWNLOAD, worker.server, 5, 1, priority=MAX_PRIORITY - 1),
    ]
    with worker.database.connection() as connection:
        worker.engine.put(connection, given)
        taken = [worker.engine.take(connection, StepKind, worker.server, 1) for _ in given]
    assert [row.job for (row,) in taken] == [4, 5, 3, 2, 1]


def test_writes_that_wait_share_a_transaction_of_one_batch(worker: ManualWorker) -> None:
    """Those of another batch have their own, so that no transaction locks the credits of two."""
    release, seen = threading.Event(), dict[int, list[int]]()

    def write(batch: int) -> None:
        found = worker.writes.transaction.connection.execute("SELECT txid_current()").fetchone()
        assert found is not None
        seen.setdefault(batch, []).append(found[0])

    def submit(batch: int, function: Callable[[], object]) -> None:
        worker.writes.submit(batch, function, lambda _: None)

    submit(1, lambda: release.wait(TIME_LIMIT))
    for batch in (1, 2) * 10:
        submit(batch, partial(write, batch))
    release.set()
    worker.writes.close()
    assert [len(seen[batch]) for batch in (1, 2)] == [10, 10]
    assert [len(set(seen[batch])) for batch in (1, 2)] == [1, 1]
    assert seen[1][0] != seen[2][0]


@pytest.mark.parametrize("setting", ["off", "local"])
def test_an_intent_is_on_the_disk_before_its_request_whatever_the_server_is_set_to(
    add_jobs: Callable[..., QueuedBatch],
    new_worker: Callable[..., ManualWorker],
    worker: ManualWorker,
    setting: str,
) -> None:
    name = worker.execute("SELECT current_database()")[0][0]
    worker.execute(f"ALTER DATABASE {name} SET synchronous_commit = {setting}")
    try:
        add_jobs(1)
        other = new_worker()
        works = other.take()
        found: list[object] = []

        def setting_of_the_writer() -> None:
            connection = other.writes.transaction.connection
            found.extend(connection.execute("SHOW synchronous_commit").fetchall())

        other.writes.run([setting_of_the_writer])
        other.run(works)
    finally:
        worker.execute(f"ALTER DATABASE {name} RESET synchronous_commit")
    assert found == [("on",)]


def test_a_row_of_the_queue_has_numbers_only(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker
) -> None:
    add_jobs(1, "a secret prompt")
    (row,) = worker.execute("SELECT * FROM wanflow.queue")
    (job,) = worker.column("id")
    payload, key = worker.execute("SELECT payload, dedupe_key FROM wanflow.queue")[0]
    assert bytes(payload).decode() == key == f"{job}:1"
    shown = " ".join(bytes(one).decode() if isinstance(one, bytes) else str(one) for one in row)
    assert "secret" not in shown
    assert worker.column("key")[0] not in shown


@pytest.mark.parametrize("column", ["schedule", "name_template"])
def test_a_job_whose_step_fails_for_no_known_reason_is_parked_with_it_after_three_tries(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, account: Account, column: str
) -> None:
    """And the next job goes on."""
    add_jobs(2, "[mock:progression=polls=4]")
    worker.turn([StepKind.SUBMIT])
    first, _ = worker.column("id")
    query = f"UPDATE wanflow.job SET {column} = '{{nothing}}' WHERE id = %s"
    worker.execute(query, first)
    worker.drain()
    reason, other = worker.column("parked")
    assert reason.partition(":")[0] in {"JSONDecodeError", "InvalidRequest"}
    assert other is None
    assert worker.column("tries")[0] == 2
    assert worker.column("state")[1] == "saved"
    assert account.submitted == 2
    assert worker.sweep() == 0


@pytest.mark.parametrize(
    "offsets", ["3600", "-3600", "2592000", "0 3600 -3600"], ids=["+1h", "-1h", "+30d", "jumps"]
)
def test_no_clock_of_a_worker_counts(
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    queue: str,
    server: MockServer,
    api_key: str,
    account: Account,
    tmp_path: Path,
    offsets: str,
    fault: Callable[..., AbstractContextManager[None]],
) -> None:
    """A worker beside one whose clock is right: leases, expiries and times are the database's.

    So are those of links in requests, and of files: one that is missing has not expired.
    """
    start = time.time()
    batch = add_jobs(6)
    link = f"https://example.com/cat.png?signature=s&expires={start + 6 * 3600:.0f}"
    job = {"model": model_name("image", "image_urls"), "prompt": "a cat", "image_urls": [link]}
    linked = enqueue(queue, server, api_key, [job], tmp_path / "linked", name="run2")
    environment = {name: text for name, text in os.environ.items() if "WANFLOW" not in name}
    environment |= {
        "WANFLOW_API_KEY": api_key,
        "WANFLOW_BASE_URL": server.base_url,
        "WANFLOW_QUEUE": queue,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", _WRONG_CLOCK, offsets, "worker", "--spool", "spool"],
        env=environment,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
    )
    try:
        with fault("status=404", operation="files", count=2):
            wait_until(lambda: process.poll() is not None or "planned" not in worker.states())
            reports = [batch.wait(), linked.wait()]
    finally:
        process.terminate()
        _, err = process.communicate()
    assert [one.summary.partition(";")[0] for one in reports] == ["6 saved", "1 saved"], err
    assert process.returncode == 0, err
    assert account.submitted == 7
    for name in ("intended", "accepted", "ended"):
        assert all(start - 1 <= at <= time.time() + 1 for at in worker.column(name)), name


class TestAnUncertainJob:
    """It is sent again only where its user or its batch says so."""

    @pytest.fixture
    def uncertain(
        self, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker
    ) -> tuple[int, int, int]:
        """A job that was sent just now: its number, its step and its server."""
        add_jobs(1)
        query = "UPDATE wanflow.job SET state = 'uncertain', step = step + 1"
        ((job, step, server),) = worker.execute(f"{query} RETURNING id, step, server")
        return job, step, server

    @pytest.mark.usefixtures("uncertain")
    def test_is_not_sent_again_by_an_old_step_that_fails(
        self, worker: ManualWorker, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: StepRecorder) -> None:
            raise LedgerError("the write failed")

        with monkeypatch.context() as patch:
            patch.setattr(StepRecorder, "drop", fail)
            assert len(worker.turn()) == 1
        worker.drain()
        assert account.submitted == 0
        assert worker.states() == {"uncertain": 1}

    def test_is_not_sent_again_by_a_step_that_nobody_asked_for(
        self, uncertain: tuple[int, int, int], worker: ManualWorker, account: Account
    ) -> None:
        job, step, server = uncertain
        with worker.database.connection() as connection:
            worker.engine.put(connection, [NextStep(StepKind.SUBMIT, server, job, step)])
        worker.drain()
        assert account.submitted == 0
        assert worker.states() == {"uncertain": 1}
