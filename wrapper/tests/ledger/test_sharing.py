"""Threads and processes share a ledger: a job has one owner, and no write is lost."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest

from tests.ledger.together import Held
from tests.waiting import wait_until
from wanflow import errors
from wanflow._core.effects import Outcome
from wanflow._core.recorder import SubmissionIntent
from wanflow._core.snapshot import Snapshot
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVER = "http://api.example/v1"
CLAIM = """
import sys
from wanflow.ledger import Ledger
book = Ledger(sys.argv[1])
print(len(book.claim(sys.argv[2]).jobs), flush=True)
sys.stdin.read()
"""
WRITE = """
import sys
from wanflow._core.recorder import SubmissionIntent
from wanflow._core.snapshot import Snapshot
from wanflow.ledger import Ledger
with Ledger(sys.argv[1]) as book:
    for number in range(20):
        key = f"{sys.argv[2]}-{number:016d}"
        book.record_intent(SubmissionIntent("http://api.example/v1", key, "m", {}, b"{}"))
        book.record_accepted(key, Snapshot(f"task-{key}", "pending"), hold=False)
"""


def intent(number: int, **more: object) -> SubmissionIntent:
    return SubmissionIntent(
        SERVER, f"key-of-a-job-{number:06d}", "m", {"prompt": "x"}, b"{}", **more
    )


def accept(ledger: Ledger, number: int) -> None:
    ledger.record_intent(intent(number))
    ledger.record_accepted(intent(number).key, Snapshot(f"task-{number}", "pending"), hold=False)


@contextmanager
def claimer(location: Path | str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A process that claims all unfinished jobs, and owns them until it exits."""
    words = [sys.executable, "-c", CLAIM, str(location), SERVER]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield int(process.stdout.readline()), process
        finally:
            process.kill()


@pytest.mark.processes
def test_two_processes_never_own_the_same_job(ledger: Ledger, location: Path | str) -> None:
    """A job is owned by one running process, and is free when that is killed."""
    for number in range(3):
        accept(ledger, number)
    with claimer(location) as (claimed, process):
        assert claimed == 3
        other = ledger.claim(SERVER)
        assert (len(other.jobs), other.locked) == (0, 3)
        assert all(ledger.is_owned(job) for job in ledger.jobs())
        process.kill()
        process.wait()
        freed: set[str] = set()  # by PostgreSQL once it notices, one after another
        wait_until(lambda: freed.update(map(repr, ledger.claim(SERVER).jobs)) or len(freed) == 3)


def test_a_job_that_is_locked_by_another_is_not_submitted(
    ledger: Ledger, location: Path | str
) -> None:
    """The same key in two concurrent processes is sent by one of them."""
    ledger.record_intent(intent(1))
    with Ledger(location) as other, pytest.raises(errors.JobLocked):
        other.record_intent(intent(1))


def test_an_intent_of_a_dead_process_is_uncertain(location: Path | str) -> None:
    """An intent of an exited process may have been sent: it is uncertain, and not sent again."""
    first = Ledger(location)
    first.record_intent(intent(1))
    first.close()
    with Ledger(location) as second:
        with pytest.raises(errors.SubmitUncertain):
            second.record_intent(intent(1))
        assert second.record_intent(intent(1, resend=True)) is None
        assert second.jobs()[0].state is JobState.UNCERTAIN


@pytest.mark.processes
def test_processes_that_create_a_ledger_concurrently_all_write(location: Path | str) -> None:
    """Several processes may create the same ledger, and none loses a job."""
    words = [[sys.executable, "-c", WRITE, str(location), f"process-{name}"] for name in range(5)]
    processes = [subprocess.Popen(one, stderr=subprocess.PIPE, text=True) for one in words]
    troubles = [process.communicate()[1] for process in processes]
    assert troubles == [""] * len(words)
    with Ledger(location) as ledger:
        assert len(ledger.jobs([JobState.ACCEPTED])) == 100


def test_threads_share_commits_without_loss(ledger: Ledger) -> None:
    """All writes of many threads are stored, though they share transactions."""
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: accept(ledger, number), range(200)))
    assert len(ledger.jobs([JobState.ACCEPTED])) == 200


def test_a_failed_write_does_not_affect_concurrent_ones(ledger: Ledger) -> None:
    """A task id that exists fails only its own write, and no other in its transaction."""
    accept(ledger, 0)
    for number in range(1, 9):
        ledger.record_intent(intent(number))

    def settle(number: int) -> bool:
        task_id = "task-0" if number == 5 else f"task-{number}"
        try:
            ledger.record_accepted(intent(number).key, Snapshot(task_id, "pending"), hold=False)
        except errors.SubmitUncertain:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        settled = list(pool.map(settle, range(1, 9)))
    assert settled == [number != 5 for number in range(1, 9)]


@pytest.mark.processes
def test_a_ledger_is_not_used_across_a_fork(ledger: Ledger, location: Path | str) -> None:
    """In a forked process the error says to open the ledger again."""
    script = """
import os, sys
from wanflow import LedgerError
from wanflow.ledger import Ledger
book = Ledger(sys.argv[1])
if os.fork() == 0:
    try:
        book.jobs()
    except LedgerError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
"""
    words = [sys.executable, "-c", script, str(location)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "open it again there" in said


def test_closing_leaves_no_trace_of_the_process(path: Path) -> None:
    """A closed ledger is one file and its reserve; owned jobs are released."""
    with Ledger(path) as ledger:
        ledger.record_intent(intent(1))
        assert len(list(path.parent.glob("*.alive"))) == 1
    assert {file.name for file in path.parent.iterdir()} == {"ledger.db", "ledger.db-reserve"}


def test_a_closed_ledger_is_an_error(location: Path | str) -> None:
    """Each use of a closed ledger is an error, and doesn't block."""
    ledger = Ledger(location)
    ledger.record_intent(intent(1))
    ledger.close()
    with ThreadPoolExecutor(1) as pool:
        for number in (2, 3):
            with pytest.raises(errors.LedgerError, match="closed"):
                pool.submit(ledger.record_intent, intent(number)).result(60)


def test_a_task_is_recorded_while_another_thread_closes_its_ledger(path: Path) -> None:
    """It was paid for; this process owns nothing any more."""
    ledger = Ledger(path)
    ledger.record_intent(intent(1))
    outcomes = SimpleQueue[Outcome]()
    queue = ledger._store._writer._queue
    with ThreadPoolExecutor(1) as pool:
        with Held(ledger):
            closing = pool.submit(ledger.close)
            while not queue.qsize():
                pass
            snapshot = Snapshot("task-1", "pending")
            record = partial(ledger.record_accepted, intent(1).key, snapshot, hold=True)
            ledger.submit(record, outcomes.put)
        assert outcomes.get(timeout=20).error is None
        closing.result(20)
    with Ledger(path) as again:
        (job,) = again.jobs()
        assert (job.state, job.task_id, job.owner) == (JobState.ACCEPTED, "task-1", None)


def test_a_buffered_update_is_written_without_another_write(
    ledger: Ledger, location: Path | str
) -> None:
    """A buffered update is written within half a second."""
    accept(ledger, 1)
    ledger.acquire_task(SERVER, "task-1")
    ledger.release_task(SERVER, "task-1")
    with Ledger(location) as other:
        wait_until(lambda: other.claim(SERVER).jobs)
