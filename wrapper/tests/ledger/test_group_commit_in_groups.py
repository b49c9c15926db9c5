"""What is told to a ledger together shares one commit, and is otherwise as if told one by one."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wanflow._core.effects import Outcome
from wanflow._core.recorder import File, SubmissionIntent
from wanflow._core.snapshot import Snapshot
from wanflow._runtime.batch_executor import BatchExecutor
from wanflow.errors import InvalidRequest, LedgerError
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SERVER = "http://api.example/v1"
MANY = 30


def key(number: int) -> str:
    return f"key-of-a-job-{number:06d}"


def intent(number: int, content: bytes = b"{}") -> SubmissionIntent:
    return SubmissionIntent(SERVER, key(number), "m", {"prompt": "x"}, content, Path("/files"))


def accepted(ledger: Ledger, number: int) -> None:
    ledger.record_accepted(key(number), Snapshot(f"task-{number}", "pending"), hold=True)


class Sabotaged:
    """The connection of a ledger, which counts commits and fails at one statement once."""

    def __init__(self, ledger: Ledger, at: str = "nothing", times: int = 1) -> None:
        self.real = ledger._store._connection
        self.at, self.times, self.commits = at, times, 0
        ledger._store._writer.connection = self  # type: ignore[assignment]

    def execute(self, query: str, *values: Any) -> Any:
        self.commits += query == "COMMIT"
        if query.strip().startswith(self.at) and self.times:
            self.times -= 1
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error
        return self.real.execute(query, *values)

    @property
    def in_transaction(self) -> bool:
        return self.real.in_transaction


def test_many_share_one_commit(ledger: Ledger) -> None:
    """However many there are, the disk is waited for once; each has its own result."""
    ledger.record_intent(intent(0))
    connection = Sabotaged(ledger)
    known = ledger.run_in_transaction(
        [partial(ledger.record_intent, intent(number)) for number in range(1, MANY)]
    )
    assert [end.error for end in known] == [None] * (MANY - 1)
    assert connection.commits == 1
    assert len(ledger.jobs()) == MANY


def test_they_see_what_those_before_them_wrote(ledger: Ledger) -> None:
    """The same submission twice is one job, and another request under its key is refused alone."""
    other = b'{"another": 1}'
    ends = ledger.run_in_transaction(
        [
            partial(ledger.record_intent, intent(1)),
            partial(accepted, ledger, 1),
            partial(ledger.record_intent, intent(1)),
            partial(ledger.record_intent, intent(1, other)),
            partial(ledger.record_intent, intent(2)),
        ]
    )
    assert ends[2].value.id == "task-1"
    assert isinstance(ends[3].error, InvalidRequest)
    assert [ends[place].error for place in (0, 1, 2, 4)] == [None] * 4
    assert {job.key: job.state for job in ledger.jobs()} == {
        key(1): JobState.ACCEPTED,
        key(2): JobState.INTENT,
    }


@pytest.mark.parametrize("at", ["COMMIT", "UPDATE", "INSERT INTO file", "SAVEPOINT"])
def test_a_commit_that_fails_costs_nothing_but_itself(ledger: Ledger, at: str) -> None:
    """Each is told again by itself, and nothing that was noted before is lost."""
    for number in range(3):
        ledger.record_intent(intent(number))
        accepted(ledger, number)
        ended = Snapshot(f"task-{number}", "completed", progress=100, urls=("http://h/1.png",))
        ledger.record_done(SERVER, ended)
    Sabotaged(ledger, at)
    file = File(0, Path("/files/1.png"), 3, "ab" * 32)
    ends = ledger.run_in_transaction(
        [partial(ledger.record_files, SERVER, f"task-{number}", [file]) for number in range(3)]
    )
    assert ends == [Outcome()] * 3
    found = [(job.state, job.progress, job.files) for job in ledger.jobs()]
    assert found == [(JobState.SAVED, 100, (file,))] * 3


def test_what_can_not_be_kept_says_so_and_is_not_taken_for_kept(ledger: Ledger) -> None:
    """Where the second try fails as well, its caller is told, and later writes go to the disk."""
    ledger.record_intent(intent(1))
    # The shared commit, and the one of its own.
    Sabotaged(ledger, "UPDATE", times=2)
    (end,) = ledger.run_in_transaction([partial(accepted, ledger, 1)])
    assert isinstance(end.error, LedgerError)
    assert not ledger.is_cached(SERVER, "task-1")
    accepted(ledger, 1)
    assert ledger.jobs()[0].state is JobState.ACCEPTED


def test_a_locked_file_is_an_error_for_each(ledger: Ledger, path: Path) -> None:
    """Where no transaction can begin, no function is called, and each caller hears why."""
    ledger.record_intent(intent(0))
    ledger._store._connection.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    called: list[int] = []
    ends = ledger.run_in_transaction([partial(called.append, number) for number in range(3)])
    other.execute("ROLLBACK")
    other.close()
    assert called == []
    assert ["locked" in str(end.error) for end in ends] == [True] * 3
    assert [
        end.error for end in ledger.run_in_transaction([partial(ledger.record_intent, intent(1))])
    ] == [None]


moves = st.tuples(
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


def move(ledger: Ledger, name: str, number: int) -> object:
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


def told(ledger: Ledger, taken: Sequence[tuple[str, int]]) -> list[object]:
    functions = [partial(move, ledger, *one) for one in taken]
    return [
        type(end.error) if end.error else end.value for end in ledger.run_in_transaction(functions)
    ]


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(moves, max_size=14), cut=st.integers(1, 5))
def test_together_is_as_one_by_one(steps: list[tuple[str, int]], cut: int) -> None:
    """Whatever is told, in whatever groups, the ledger says the same as if told one by one."""
    with tempfile.TemporaryDirectory() as name:
        found = []
        for size in (1, cut):
            with Ledger(Path(name) / f"{size}-{len(found)}.db") as ledger:
                groups = [steps[at : at + size] for at in range(0, len(steps), size)]
                ends = [end for group in groups for end in told(ledger, group)]
                jobs = [
                    (job.key, job.state, job.task_id, job.progress, job.links, job.files)
                    for job in ledger.jobs()
                ]
                found.append((ends, jobs))
        assert found[0] == found[1]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_those_who_wait_for_a_thread_share_the_next(backend: str) -> None:
    """One thread does all that came while it was busy; each caller gets its own end."""
    calls: list[int] = []
    threads: set[int] = set()

    def group(functions: Sequence[Callable[[], Any]]) -> list[Outcome]:
        calls.append(len(functions))
        threads.add(threading.get_ident())
        return [_ended(function) for function in functions]

    async def ask(company: BatchExecutor, number: int, found: dict[int, object]) -> None:
        try:
            found[number] = await company.submit(partial(_half, number), group)
        except ValueError as error:
            found[number] = str(error)

    async def main() -> dict[int, object]:
        company, found = BatchExecutor(), dict[int, object]()
        async with anyio.create_task_group() as tasks:
            for number in range(MANY):
                tasks.start_soon(ask, company, number, found)
        return found

    found = anyio.run(main, backend=backend)
    assert found == {n: f"{n} is odd" if n % 2 else n // 2 for n in range(MANY)}
    assert sum(calls) == MANY
    assert threading.get_ident() not in threads
    if backend == "asyncio":
        assert len(calls) < MANY / 2


def test_what_is_begun_is_done_whoever_is_cancelled() -> None:
    """A cancelled caller leaves its function to be done, and the others' ends to be told."""
    done: list[int] = []
    gate = threading.Event()

    def group(functions: Sequence[Callable[[], Any]]) -> list[Outcome]:
        assert gate.wait(20)
        return [_ended(function) for function in functions]

    async def main() -> None:
        company = BatchExecutor()
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:
                tasks.start_soon(company.submit, partial(done.append, 1), group)
                tasks.start_soon(company.submit, partial(done.append, 2), group)
                await anyio.sleep(0.05)
                tasks.cancel_scope.cancel()
                gate.set()
            assert scope is not None

    anyio.run(main)
    assert done == [1, 2]


def _half(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number // 2


def _ended(function: Callable[[], Any]) -> Outcome:
    try:
        return Outcome(function())
    except ValueError as error:
        return Outcome(error=error)
