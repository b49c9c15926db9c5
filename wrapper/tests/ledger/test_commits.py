"""Concurrent writes share commits, and buffered updates become one write."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ledger.together import Held
from wanflow._core.effects import Outcome
from wanflow.errors import LedgerError
from wanflow.ledger import JobState, rows, writer
from wanflow.ledger.database import MIGRATIONS
from wanflow.ledger.disk_reserve import DiskReserve
from wanflow.ledger.refs import IdRef
from wanflow.ledger.sqlite_database import SqliteTransactions
from wanflow.ledger.write_buffer import Update, WriteBuffer, coalesced
from wanflow.ledger.writer import Writer

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
    """A connection that counts its commits and savepoints."""

    def __init__(self, path: Path) -> None:
        self.real = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.commits = self.savepoints = 0

    def execute(self, query: str, *values: object) -> object:
        self.commits += query == "COMMIT"
        self.savepoints += query.startswith("SAVEPOINT")
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
def commits(connection: CountingConnection, path: Path) -> Iterator[Writer]:
    made = Writer(SqliteTransactions(connection, DiskReserve(path.with_name("reserve"))))
    yield made
    made.stop()


def put(number: int) -> object:
    return lambda connection: connection.execute("INSERT INTO t VALUES (?)", [number])


def write_concurrently(commits: Writer, numbers: list[int]) -> list[bool]:
    """Write each number in its own thread during another write; return which succeeded."""

    def write(number: int) -> bool:
        try:
            commits.write(put(number), durable=True)
        except (LedgerError, sqlite3.Error):
            return False
        return True

    with ThreadPoolExecutor(len(numbers)) as pool:
        with Held(commits):
            done = [pool.submit(write, number) for number in numbers]
            while commits._queue.qsize() < len(numbers):
                pass
        return [one.result() for one in done]


def test_writes_during_a_commit_share_the_next(
    commits: Writer, connection: CountingConnection
) -> None:
    """All writes that wait for a running commit are in one commit."""
    assert all(write_concurrently(commits, list(range(WRITERS))))
    assert connection.commits == 2
    assert connection.savepoints == 0, "they are for transactions of which a write fails"
    (count,) = connection.real.execute("SELECT count(*) FROM t").fetchone()
    assert count == WRITERS


def test_an_invalid_write_fails_alone(commits: Writer, connection: CountingConnection) -> None:
    """A write that violates a constraint fails; the others of its transaction are kept."""
    numbers = [*range(WRITERS), 0]
    assert write_concurrently(commits, numbers).count(False) == 1
    (count,) = connection.real.execute("SELECT count(*) FROM t").fetchone()
    assert count == WRITERS


def test_a_function_that_breaks_off_leaves_no_caller_waiting(commits: Writer) -> None:
    """Its caller gets the error, all others their results, and later writes are written."""

    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1)")
        raise SystemExit

    with pytest.raises(SystemExit):
        commits.write(broken)
    assert all(write_concurrently(commits, [1, 2]))


def test_a_flush_is_done_when_it_is_due_however_many_writes_come(
    connection: CountingConnection, path: Path
) -> None:
    """Each write is followed by another one, and the buffered changes are written nevertheless."""
    flushed = threading.Event()
    transactions = SqliteTransactions(connection, DiskReserve(path.with_name("reserve")))
    commits = Writer(transactions, lambda _: flushed.set())

    def write_again(_: Outcome) -> None:
        if not flushed.is_set():
            commits.submit(lambda: None, write_again)

    commits.submit(lambda: None, write_again)
    commits.flush_later()
    assert flushed.wait(20)
    commits.stop()


def test_what_is_buffered_is_written_when_a_writer_stops(
    connection: CountingConnection, path: Path
) -> None:
    """A program that doesn't close its ledger stops it at its end."""
    flushed: list[Writer] = []
    transactions = SqliteTransactions(connection, DiskReserve(path.with_name("reserve")))
    commits = Writer(transactions, flushed.append)
    commits.flush_later()
    commits.stop()
    assert flushed == [commits]


def test_a_writer_that_its_own_write_stops_goes_on_in_the_calling_threads(
    commits: Writer, connection: CountingConnection
) -> None:
    """The last reference to a ledger may be that of a write; its thread doesn't wait for itself."""
    ended = SimpleQueue[Outcome]()
    commits.submit(commits.stop, ended.put)
    assert ended.get(timeout=20).error is None
    commits.write(put(1))
    assert connection.real.execute("SELECT count(*) FROM t").fetchone() == (1,)


def test_a_write_that_an_interrupt_dropped_passes_the_wake_up_on() -> None:
    """The thread whose write comes after it in the transaction doesn't wait for its time-out."""
    before, dropped, after = (writer._Entry(int, durable=True, essential=False) for _ in range(3))
    dropped.decide("drop")
    for entry in (before, dropped, after):
        entry.call()
    writer._finish([before, dropped, after])
    assert before.next_waiting is after


def test_threads_are_used_while_the_program_runs_only(
    commits: Writer, connection: CountingConnection
) -> None:
    """After its thread has ended, writes of any thread are written by the calling one."""
    commits.stop()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: commits.write(put(number)), range(WRITERS)))
    outcomes = SimpleQueue[Outcome]()
    commits.submit(lambda: commits.write(put(-1)), outcomes.put)
    assert outcomes.get(timeout=20).error is None
    (count,) = connection.real.execute("SELECT count(*) FROM t").fetchone()
    assert count == WRITERS + 1


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
    buffer = WriteBuffer()
    for update in updates:
        buffer.add(IdRef(1), update)
    return buffer.pop(IdRef(1))


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
