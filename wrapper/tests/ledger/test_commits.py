"""Concurrent writes share commits, and buffered updates become one write."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wanflow.errors import LedgerError
from wanflow.ledger import JobState, rows
from wanflow.ledger.database import MIGRATIONS
from wanflow.ledger.disk_reserve import DiskReserve
from wanflow.ledger.group_commit import GroupCommitWriter
from wanflow.ledger.refs import IdRef
from wanflow.ledger.write_buffer import Update, WriteBuffer, coalesced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATES = (JobState.INTENT, JobState.ACCEPTED, JobState.COMPLETED, JobState.SAVED, JobState.LOST)
WRITERS = 20

changes = st.fixed_dictionaries(
    {},
    optional={
        "state": st.sampled_from(STATES),
        "status": st.sampled_from(["pending", "processing"]),
        "progress": st.integers(0, 100),
        "reason": st.none() | st.just("why"),
    },
).filter(bool)
only = st.none() | st.frozensets(st.sampled_from(STATES), min_size=1)
steps = st.lists(st.builds(Update, changes, only), min_size=1, max_size=5).map(tuple)


class CountingConnection:
    """A connection that counts its commits."""

    def __init__(self, path: Path) -> None:
        self.real = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.commits = 0

    def execute(self, query: str, *values: object) -> object:
        self.commits += query == "COMMIT"
        return self.real.execute(query, *values)

    @property
    def in_transaction(self) -> bool:
        return self.real.in_transaction


@pytest.fixture
def connection(path: Path) -> Iterator[CountingConnection]:
    made = CountingConnection(path)
    made.execute("CREATE TABLE t (x PRIMARY KEY)")
    yield made
    made.real.close()


@pytest.fixture
def commits(connection: CountingConnection, path: Path) -> GroupCommitWriter:
    return GroupCommitWriter(connection, DiskReserve(path.with_name("reserve")))


def put(number: int) -> object:
    return lambda connection: connection.execute("INSERT INTO t VALUES (?)", [number])


def write_concurrently(
    commits: GroupCommitWriter, connection: CountingConnection, numbers: list[int]
) -> list[bool]:
    """Write each number in its own thread during another write; return which succeeded."""
    begun, proceed = threading.Event(), threading.Event()

    def slow(_: object) -> None:
        begun.set()
        assert proceed.wait(20)

    def write(number: int) -> bool:
        try:
            commits.write(put(number), durable=True)
        except (LedgerError, sqlite3.Error, KeyboardInterrupt):
            return False
        return True

    with ThreadPoolExecutor(len(numbers) + 1) as pool:
        first = pool.submit(commits.write, slow)
        assert begun.wait(20)
        done = [pool.submit(write, number) for number in numbers]
        while len(commits._pending) < len(numbers):
            pass
        proceed.set()
        first.result()
        return [one.result() for one in done]


def test_writes_during_a_commit_share_the_next(
    commits: GroupCommitWriter, connection: CountingConnection
) -> None:
    """All writes that wait for a running commit are in one commit."""
    assert all(write_concurrently(commits, connection, list(range(WRITERS))))
    assert connection.commits == 2
    (count,) = connection.real.execute("SELECT count(*) FROM t").fetchone()
    assert count == WRITERS


def test_an_invalid_write_fails_alone(
    commits: GroupCommitWriter, connection: CountingConnection
) -> None:
    """A write that violates a constraint fails; the others of its transaction are kept."""
    numbers = [*range(WRITERS), 0]
    assert write_concurrently(commits, connection, numbers).count(False) == 1
    (count,) = connection.real.execute("SELECT count(*) FROM t").fetchone()
    assert count == WRITERS


def test_an_interrupt_during_a_commit_leaves_the_writer_usable(
    commits: GroupCommitWriter, connection: CountingConnection
) -> None:
    """After an interrupt nothing is locked and nothing half written."""

    def interrupted(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1)")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        commits.write(interrupted)
    assert all(write_concurrently(commits, connection, [1, 2]))


def test_an_enqueued_write_is_in_the_next_commit(
    commits: GroupCommitWriter, connection: CountingConnection
) -> None:
    """It is in the next commit, and no thread waits for it."""
    commits.enqueue(put(-1))
    assert all(write_concurrently(commits, connection, list(range(WRITERS))))
    assert connection.real.execute("SELECT count(*) FROM t").fetchone() == (WRITERS + 1,)


@settings(deadline=None)
@given(st.sampled_from(STATES), steps)
def test_updates_together_equal_updates_one_by_one(
    state: JobState, updates: tuple[Update, ...]
) -> None:
    """Updates written together leave a job as single ones do."""
    left = [
        _outcome(state, updates),
        _outcome(state, _buffered(updates)),
        _one_by_one(state, updates),
    ]
    assert left[0] == left[1] == left[2]


def test_polls_of_a_task_become_one_write() -> None:
    """Any number of polls between two writes is one update of the job."""
    polls = [Update({"progress": n}, frozenset({JobState.ACCEPTED})) for n in range(1000)]
    buffered = _buffered(tuple(polls))
    assert buffered == (polls[-1],)
    end = Update({"state": JobState.SAVED}, None)
    assert coalesced((*buffered, end)) == Update(
        {"progress": 999, "state": JobState.SAVED}, polls[0].only
    )


def _buffered(updates: tuple[Update, ...]) -> tuple[Update, ...]:
    buffer = WriteBuffer(lambda: None)
    try:
        for update in updates:
            buffer.add(IdRef(1), update)
        return buffer.pop(IdRef(1))
    finally:
        buffer.close()


def _one_by_one(state: JobState, updates: tuple[Update, ...]) -> object:
    with closing(_job_in(state)) as connection:
        found = [rows.change(connection, IdRef(1), (update,)) for update in updates]
        return found[-1], connection.execute("SELECT * FROM job").fetchall()


def _outcome(state: JobState, updates: tuple[Update, ...]) -> object:
    with closing(_job_in(state)) as connection:
        found = rows.change(connection, IdRef(1), updates)
        return found, connection.execute("SELECT * FROM job").fetchall()


def _job_in(state: JobState) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.executescript(";".join(MIGRATIONS))
    connection.execute("INSERT INTO place (text) VALUES ('s')")
    rows.insert(connection, {"server": "s", "state": state, "recorded_at": 0.0})
    return connection
