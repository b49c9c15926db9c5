"""An interrupt at any line of a write leaves the ledger writable, here and for other processes."""

from __future__ import annotations

import gc
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest

import wanflow.ledger
from tests.crash.block_ends import BlockEnds
from tests.examples import ALL
from wanflow._core.effects import Outcome
from wanflow._core.recorder import SubmissionIntent
from wanflow._core.snapshot import Snapshot
from wanflow.errors import LedgerError
from wanflow.ledger import JobState, Ledger
from wanflow.ledger.database import connect
from wanflow.ledger.disk_reserve import DiskReserve
from wanflow.ledger.sqlite_database import SqliteTransactions
from wanflow.ledger.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(wanflow.ledger.__file__).parent
SERVER = "http://api.example/v1"


@pytest.fixture
def fast_dir(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory if possible, because the tests create hundreds of ledgers."""
    memory = Path("/dev/shm")
    if not (memory.is_dir() and os.access(memory, os.W_OK)):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


class Interrupting:
    """A tracer that raises KeyboardInterrupt once, at the nth executed line of the ledger."""

    def __init__(self, nth: int) -> None:
        self._left, self.raised = nth, False
        self._block_ends = BlockEnds()

    def __call__(self, frame: Any, event: str, _: object) -> Any:
        name = frame.f_code.co_filename
        if Path(name).parent != HERE or "__exit__" in frame.f_code.co_name:
            return None
        if event == "line" and not self.raised and not self._block_ends.ends_at(frame):
            self._left -= 1
            if self._left < 0:
                self.raised = True
                raise KeyboardInterrupt
        return self


def interrupted(nth: int, do: Callable[[], object]) -> Interrupting:
    """Call a function in a thread that is interrupted at the nth line.

    Each call has its own thread, because an exception in a tracer affects later tracing.
    """
    tracer = Interrupting(nth)

    def run() -> None:
        sys.settrace(tracer)
        try:
            do()
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "the interrupted call didn't end"
    return tracer


def at_every_line(folder: Path, body: Callable[[Ledger], object]) -> Iterator[tuple[Ledger, Path]]:
    """Call a function with a new ledger for each line (third line in `make test`), interrupted."""
    for nth in range(0, 2000, 1 if ALL else 3):
        path = folder / f"{nth}.db"
        with Ledger(path) as ledger:
            ledger.record_intent(intent(1))
            tracer = interrupted(nth, partial(body, ledger))
            yield ledger, path
        if not tracer.raised:
            assert nth > 10, "too few lines were interrupted"
            return
    raise AssertionError("the function has too many lines")


def intent(number: int) -> SubmissionIntent:
    return SubmissionIntent(SERVER, f"key-of-a-job-{number:06d}", "m", {"prompt": "x"}, b"{}")


def writable(path: Path) -> bool:
    """Return whether another connection can write."""
    with closing(sqlite3.connect(path, timeout=0.05, isolation_level=None)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        other.execute("ROLLBACK")
    return True


def accepted(ledger: Ledger, number: int = 1) -> None:
    ledger.record_accepted(intent(number).key, Snapshot(f"task-{number}", "pending"), hold=True)


def submitted(ledger: Ledger) -> None:
    outcomes = SimpleQueue[Outcome]()
    ledger.submit(lambda: accepted(ledger), outcomes.put)
    outcomes.get(timeout=20)


def polled(ledger: Ledger) -> None:
    accepted(ledger)
    ledger.record_poll(SERVER, Snapshot("task-1", "processing", progress=10))
    ledger.find("task-1")


WRITES = {
    "intend": lambda ledger: ledger.record_intent(intent(2)),
    "accepted": accepted,
    "submit": submitted,
    "claim": lambda ledger: ledger.claim(SERVER),
    "a poll": polled,
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_an_interrupt_at_any_line_leaves_the_ledger_writable(
    fast_dir: Path, write: Callable[[Ledger], object]
) -> None:
    """This process and others can write, and no thread waits for the interrupted one."""
    for ledger, path in at_every_line(fast_dir, write):
        assert writable(path)
        done = threading.Thread(target=ledger.record_intent, args=[intent(3)], daemon=True)
        done.start()
        done.join(60)
        assert not done.is_alive(), "a thread waits for one that was interrupted"
        ledger.record_intent(intent(4))
        keys = {job.key for job in ledger.jobs()}
        assert {intent(number).key for number in (1, 3, 4)} <= keys


@pytest.mark.parametrize("essential", [True, False])
def test_an_interrupted_write_is_written_at_most_once(fast_dir: Path, essential: bool) -> None:
    """An essential write is completed before the interrupt is raised, once it is queued. Any other
    write is dropped, because its caller won't act on it."""
    missing = 0
    for nth in range(500):
        with closing(in_memory()) as connection:
            connection.execute("CREATE TABLE t (x)")
            commits = Writer(SqliteTransactions(connection, DiskReserve(fast_dir / "reserve")))
            tracer = interrupted(
                nth, partial(commits.write, put(1), durable=True, essential=essential)
            )
            (kept,) = connection.execute("SELECT count(*) FROM t").fetchone()
            commits.write(put(2))
            assert connection.execute("SELECT count(*) FROM t").fetchone() == (kept + 1,)
            assert kept < 2
            missing += not kept
            commits.stop()
        if not tracer.raised:
            break
    # The lines before it is queued.
    assert missing < 8 if essential else missing > 10


def in_memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)


def opened_and_closed(path: Path) -> None:
    connect(path).close()


def collect_unclosed() -> None:
    """Free a connection of an interrupt just before the block that closes it; Python 3.13 warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def put(number: int) -> Callable[[sqlite3.Connection], object]:
    return lambda connection: connection.execute("INSERT INTO t VALUES (?)", [number])


def test_an_interrupted_intent_is_recorded_immediately_or_never(fast_dir: Path) -> None:
    """It is never written later, when it would not be sent any more."""
    for ledger, path in at_every_line(fast_dir, WRITES["intend"]):
        before = ledger.find(intent(2).key)
        ledger.record_intent(intent(3))
        with closing(sqlite3.connect(path)) as other:
            (count,) = other.execute("SELECT count(*) FROM job").fetchone()
        assert count == 2 + (before is not None)


def test_an_interrupt_loses_no_write_of_another_thread(fast_dir: Path) -> None:
    """The thread that writes goes on."""
    for nth in range(0, 60, 2):
        with Ledger(fast_dir / f"{nth}.db") as ledger:
            ledger.record_intent(intent(0))
            threads = [
                threading.Thread(target=ledger.record_intent, args=[intent(n)], daemon=True)
                for n in range(10, 14)
            ]
            for one in threads:
                one.start()
            interrupted(nth, partial(ledger.record_intent, intent(1)))
            for one in threads:
                one.join(60)
            assert not any(one.is_alive() for one in threads)
            keys = {job.key for job in ledger.jobs()}
            assert {intent(n).key for n in range(10, 14)} <= keys


def test_an_interrupt_during_a_migration_leaves_the_ledger_writable(fast_dir: Path) -> None:
    """It has the old or the new version, and others can write."""
    gc.freeze()  # what there is need not be gone through for each line
    for nth in range(200):
        path = fast_dir / f"{nth}.db"
        tracer = interrupted(nth, partial(opened_and_closed, path))
        collect_unclosed()
        assert writable(path)
        connect(path).close()
        if not tracer.raised:
            return
    raise AssertionError("the function has too many lines")


class InterruptedConnection:
    """A connection that is interrupted after a statement, as when SQLite waited for a lock:
    Python runs the signal handler after the call."""

    def __init__(self, real: sqlite3.Connection, after: str) -> None:
        self._real, self._after = real, after

    def execute(self, query: str, *values: Any) -> Any:
        done = self._real.execute(query, *values)
        if query.startswith(self._after):
            self._after = "nothing more"
            raise KeyboardInterrupt
        return done

    @property
    def in_transaction(self) -> bool:
        return self._real.in_transaction


@pytest.mark.parametrize("after", ["BEGIN", "COMMIT", "INSERT", "PRAGMA synchronous"])
def test_an_interrupt_after_a_statement_leaves_no_transaction(path: Path, after: str) -> None:
    """At the end of a program, threads write by themselves, and the main one is interrupted:
    what was committed is not written twice, and no transaction stays open."""
    with closing(sqlite3.connect(path, isolation_level=None)) as real:
        real.execute("CREATE TABLE t (x)")
        commits = Writer(
            SqliteTransactions(
                InterruptedConnection(real, after), DiskReserve(path.with_name("reserve"))
            )
        )
        commits.stop()
        with pytest.raises(KeyboardInterrupt):
            commits.write(put(1), durable=True)
        assert writable(path)
        (kept,) = real.execute("SELECT count(*) FROM t").fetchone()
        assert kept == (after == "COMMIT")
        commits.write(put(1), durable=True)
        assert real.execute("SELECT count(*) FROM t").fetchone() == (kept + 1,)


@pytest.mark.processes
def test_a_signal_while_sqlite_waits_for_a_lock_leaves_the_ledger_writable(path: Path) -> None:
    """The signal handler runs after the wait, when `BEGIN` was executed."""
    script = """
import signal, sys, threading, time
from wanflow._core.recorder import SubmissionIntent
from wanflow.ledger import Ledger
book = Ledger(sys.argv[1])
intent = lambda n: SubmissionIntent("http://api.example", f"key-of-a-job-{n:06d}", "m", {}, b"{}")
book.record_intent(intent(1))
print("ready", flush=True)
try:
    sys.stdin.readline()
    book.record_intent(intent(2))
except KeyboardInterrupt:
    print("interrupted", flush=True)
book.record_intent(intent(3))
print("written", flush=True)
sys.stdin.readline()
"""
    words = [sys.executable, "-c", script, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                process.stdin.write("\n")
                process.stdin.flush()
                time.sleep(0.3)
                process.send_signal(signal.SIGINT)
                time.sleep(0.1)
                other.execute("ROLLBACK")
            assert process.stdout.readline() == "interrupted\n"
            assert process.stdout.readline() == "written\n"
            assert writable(path)
        finally:
            process.kill()
    with Ledger(path) as ledger:
        # The interrupted one was not sent, so it isn't recorded.
        assert {job.key for job in ledger.jobs()} == {intent(1).key, intent(3).key}


def test_a_ledger_that_could_not_be_opened_releases_its_file(path: Path) -> None:
    """The file can be deleted and created again."""
    path.write_bytes(b"no ledger" * 200)
    for _ in range(3):
        with suppress(LedgerError):
            Ledger(path)
    path.unlink()
    with Ledger(path) as ledger:
        assert ledger.jobs([JobState.INTENT]) == []
