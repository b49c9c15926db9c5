"""`submit`: functions share one commit, with the effect of single calls."""

from __future__ import annotations

import sqlite3
import tempfile
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.ledger.together import run_together
from wanflow._core.effects import Outcome
from wanflow._core.recorder import File, SubmissionIntent
from wanflow._core.snapshot import Snapshot
from wanflow.errors import InvalidRequest, LedgerError
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from collections.abc import Sequence

SERVER = "http://api.example/v1"
MANY = 30


def key(number: int) -> str:
    return f"key-of-a-job-{number:06d}"


def intent(number: int, content: bytes = b"{}") -> SubmissionIntent:
    return SubmissionIntent(SERVER, key(number), "m", {"prompt": "x"}, content, Path("/files"))


def accepted(ledger: Ledger, number: int) -> None:
    ledger.record_accepted(key(number), Snapshot(f"task-{number}", "pending"), hold=True)


class FailingConnection:
    """Wraps the connection of a ledger; counts commits, and fails at a chosen statement."""

    def __init__(self, ledger: Ledger, at: str = "nothing", times: int = 1) -> None:
        self.real = ledger._store._database.connection
        self.at, self.times, self.commits = at, times, 0
        # The functions share a transaction because they wait for the end of another one.
        self.skip = at == "COMMIT"
        ledger._store._database.connection = self  # type: ignore[assignment]

    def execute(self, query: str, *values: Any) -> Any:
        self.commits += query == "COMMIT"
        if query.strip().startswith(self.at) and self.skip:
            self.skip = False
        elif query.strip().startswith(self.at) and self.times:
            self.times -= 1
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error
        return self.real.execute(query, *values)

    @property
    def in_transaction(self) -> bool:
        return self.real.in_transaction

    def close(self) -> None:
        self.real.close()


def test_many_functions_share_one_commit(ledger: Ledger, path: Path) -> None:
    """Many functions share one commit; each has its own result."""
    ledger.record_intent(intent(0))
    connection = FailingConnection(ledger)
    outcomes = run_together(
        ledger, [partial(ledger.record_intent, intent(number)) for number in range(1, MANY)]
    )
    assert [outcome.error for outcome in outcomes] == [None] * (MANY - 1)
    assert connection.commits == 2  # the first one is that of the transaction they waited for
    assert len(ledger.jobs()) == MANY


def test_functions_see_earlier_writes(ledger: Ledger) -> None:
    """The same submission twice is one job; only another request with its key fails."""
    other = b'{"another": 1}'
    outcomes = run_together(
        ledger,
        [
            partial(ledger.record_intent, intent(1)),
            partial(accepted, ledger, 1),
            partial(ledger.record_intent, intent(1)),
            partial(ledger.record_intent, intent(1, other)),
            partial(ledger.record_intent, intent(2)),
        ],
    )
    assert outcomes[2].value.id == "task-1"
    assert isinstance(outcomes[3].error, InvalidRequest)
    assert [outcomes[index].error for index in (0, 1, 2, 4)] == [None] * 4
    assert {job.key: job.state for job in ledger.jobs()} == {
        key(1): JobState.ACCEPTED,
        key(2): JobState.INTENT,
    }


@pytest.mark.parametrize("at", ["COMMIT", "UPDATE", "INSERT INTO file", "SAVEPOINT"])
def test_a_failed_commit_is_repeated_one_by_one(ledger: Ledger, path: Path, at: str) -> None:
    """Each function is called again by itself, and no buffered update is lost."""
    for number in range(3):
        ledger.record_intent(intent(number))
        accepted(ledger, number)
        ended = Snapshot(f"task-{number}", "completed", progress=100, urls=("http://h/1.png",))
        ledger.record_done(SERVER, ended)
    FailingConnection(ledger, at)
    file = File(0, Path("/files/1.png"), 3, "ab" * 32)
    outcomes = run_together(
        ledger,
        [partial(ledger.record_files, SERVER, f"task-{number}", [file]) for number in range(3)],
    )
    assert outcomes == [Outcome()] * 3
    found = [(job.state, job.progress, job.files) for job in ledger.jobs()]
    assert found == [(JobState.SAVED, 100, (file,))] * 3


def test_a_write_that_fails_twice_is_an_error(ledger: Ledger, path: Path) -> None:
    """If the second attempt fails, too, its caller gets the error; a later write succeeds."""
    ledger.record_intent(intent(1))
    # The shared commit, and the first single one.
    FailingConnection(ledger, "UPDATE", times=2)
    outcome, _ = run_together(
        ledger, [partial(accepted, ledger, 1), partial(ledger.record_intent, intent(2))]
    )
    assert isinstance(outcome.error, LedgerError)
    assert not ledger.is_cached(SERVER, "task-1")
    accepted(ledger, 1)
    assert [job.state for job in ledger.jobs()] == [JobState.ACCEPTED, JobState.INTENT]


def test_a_locked_file_is_an_error_for_each(ledger: Ledger, path: Path) -> None:
    """If no transaction can begin, no function is called, and each has the error."""
    ledger.record_intent(intent(0))
    ledger._store._database.connection.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    called: list[int] = []
    outcomes = SimpleQueue[Outcome]()
    for number in range(3):
        ledger.submit(partial(called.append, number), outcomes.put)
    errors = [str(outcomes.get(timeout=20).error) for _ in range(3)]
    other.execute("ROLLBACK")
    other.close()
    assert called == []
    assert ["locked" in error for error in errors] == [True] * 3
    assert [
        outcome.error
        for outcome in run_together(ledger, [partial(ledger.record_intent, intent(1))])
    ] == [None]


calls_of_jobs = st.tuples(
    st.sampled_from(
        [
            "record_intent",
            "record_accepted",
            "record_rejected",
            "record_poll",
            "record_done",
            "record_files",
            "record_lost",
            "release_task",
        ]
    ),
    st.integers(1, 4),
)


def call(ledger: Ledger, name: str, number: int) -> object:
    task = f"task-{number}"
    snapshot = Snapshot(task, "completed", progress=100, urls=("http://h/1.png",))
    arguments: dict[str, tuple[object, ...]] = {
        "record_intent": (intent(number),),
        "record_rejected": (key(number), "no"),
        "record_poll": (SERVER, Snapshot(task, "processing", progress=10)),
        "record_done": (SERVER, snapshot),
        "record_files": (SERVER, task, [File(0, Path("/files/1.png"), 3, "ab" * 32)]),
        "record_lost": (SERVER, task, "gone"),
        "release_task": (SERVER, task),
    }
    if name == "record_accepted":
        return accepted(ledger, number)
    return getattr(ledger, name)(*arguments[name])


def call_together(ledger: Ledger, steps: Sequence[tuple[str, int]]) -> list[object]:
    functions = [partial(call, ledger, *one) for one in steps]
    return [
        type(outcome.error) if outcome.error else outcome.value
        for outcome in run_together(ledger, functions)
    ]


@settings(max_examples=examples(60))
@given(steps=st.lists(calls_of_jobs, max_size=14), cut=st.integers(1, 5))
def test_groups_equal_single_calls(steps: list[tuple[str, int]], cut: int) -> None:
    """Calls in groups of any size have the effect of single calls."""
    with tempfile.TemporaryDirectory() as name:
        found = []
        for size in (1, cut):
            with Ledger(Path(name) / f"{size}-{len(found)}.db") as ledger:
                groups = [steps[at : at + size] for at in range(0, len(steps), size)]
                outcomes = [outcome for group in groups for outcome in call_together(ledger, group)]
                jobs = [
                    (job.key, job.state, job.task_id, job.progress, job.links, job.files)
                    for job in ledger.jobs()
                ]
                found.append((outcomes, jobs))
        assert found[0] == found[1]
