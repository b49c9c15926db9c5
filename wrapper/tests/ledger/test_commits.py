"""Writes share transactions, and what need not be written at once becomes one write."""

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


class Counting:
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
def connection(path: Path) -> Iterator[Counting]:
    made = Counting(path)
    made.execute("CREATE TABLE t (x PRIMARY KEY)")
    yield made
    made.real.close()


@pytest.fixture
def commits(connection: Counting, path: Path) -> GroupCommitWriter:
    return GroupCommitWriter(connection, DiskReserve(path.with_name("reserve")))


def put(number: int) -> object:
    return lambda connection: connection.execute("INSERT INTO t VALUES (?)", [number])


def crowd(commits: GroupCommitWriter, connection: Counting, numbers: list[int]) -> list[bool]:
    """Write numbers in a thread each, all while another write is under way; which were done."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(_: object) -> None:
        begun.set()
        assert go_on.wait(20)

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
        go_on.set()
        first.result()
        return [one.result() for one in done]


def test_whoever_comes_during_a_commit_shares_the_next(
    commits: GroupCommitWriter, connection: Counting
) -> None:
    """All that wait while a commit is under way are in one, however many they are."""
    assert all(crowd(commits, connection, list(range(WRITERS))))
    assert connection.commits == 2
    (count,) = connection.real.execute("SELECT count(*) FROM t").fetchone()
    assert count == WRITERS


def test_one_that_cannot_be_done_fails_alone(
    commits: GroupCommitWriter, connection: Counting
) -> None:
    """A write that breaks a rule is refused, and those in its transaction are kept."""
    numbers = [*range(WRITERS), 0]
    assert crowd(commits, connection, numbers).count(False) == 1
    (count,) = connection.real.execute("SELECT count(*) FROM t").fetchone()
    assert count == WRITERS


def test_an_interrupt_in_a_commit_leaves_it_usable(
    commits: GroupCommitWriter, connection: Counting
) -> None:
    """Whoever is interrupted while it commits leaves nothing locked and nothing half done."""

    def interrupted(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1)")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        commits.write(interrupted)
    assert all(crowd(commits, connection, [1, 2]))


def test_a_write_that_nobody_waits_for_holds_nobody_up(
    commits: GroupCommitWriter, connection: Counting
) -> None:
    """What goes with the next commit is in it, and keeps none of its threads asleep."""
    commits.enqueue(put(-1))
    assert all(crowd(commits, connection, list(range(WRITERS))))
    assert connection.real.execute("SELECT count(*) FROM t").fetchone() == (WRITERS + 1,)


@settings(deadline=None)
@given(st.sampled_from(STATES), steps)
def test_steps_in_one_are_the_steps_one_by_one(state: JobState, taken: tuple[Update, ...]) -> None:
    """Changes that are written together leave a job as each on its own would have."""
    left = [_outcome(state, taken), _outcome(state, _noted(taken)), _one_by_one(state, taken)]
    assert left[0] == left[1] == left[2]


def test_looks_at_a_task_become_one_write() -> None:
    """However often a task is looked at between two writes, it is one change of its job."""
    looks = [Update({"progress": n}, frozenset({JobState.ACCEPTED})) for n in range(1000)]
    noted = _noted(tuple(looks))
    assert noted == (looks[-1],)
    end = Update({"state": JobState.SAVED}, None)
    assert coalesced((*noted, end)) == Update(
        {"progress": 999, "state": JobState.SAVED}, looks[0].only
    )


def _noted(taken: tuple[Update, ...]) -> tuple[Update, ...]:
    notes = WriteBuffer(lambda: None)
    try:
        for step in taken:
            notes.add(IdRef(1), step)
        return notes.pop(IdRef(1))
    finally:
        notes.close()


def _one_by_one(state: JobState, taken: tuple[Update, ...]) -> object:
    with closing(_job_in(state)) as connection:
        found = [rows.change(connection, IdRef(1), (step,)) for step in taken]
        return found[-1], connection.execute("SELECT * FROM job").fetchall()


def _outcome(state: JobState, taken: tuple[Update, ...]) -> object:
    with closing(_job_in(state)) as connection:
        found = rows.change(connection, IdRef(1), taken)
        return found, connection.execute("SELECT * FROM job").fetchall()


def _job_in(state: JobState) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.executescript(";".join(MIGRATIONS))
    connection.execute("INSERT INTO place (text) VALUES ('s')")
    rows.insert(connection, {"server": "s", "state": state, "recorded_at": 0.0})
    return connection
