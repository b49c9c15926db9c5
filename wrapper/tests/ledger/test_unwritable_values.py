"""A value that can't be written fails its own job, and no other."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.ledger.together import run_together
from wanflow._core.recorder import File, SubmissionIntent
from wanflow._core.snapshot import Snapshot, TaskFailure
from wanflow.errors import LedgerError, WanflowError
from wanflow.ledger import JobState, Ledger
from wanflow.ledger.database import MIGRATIONS, migrate

if TYPE_CHECKING:
    from collections.abc import Callable

SERVER = "http://api.example/v1"
SURROGATE = "lone surrogate: \ud83d"
HUGE = 2**70


class Unsupported:
    """A value of a type that no database supports."""


def intent(number: int, **more: Any) -> SubmissionIntent:
    arguments = {"model": "m", "body": {"prompt": "x"}, "folder": Path("/files"), **more}
    return SubmissionIntent(SERVER, key(number), content=b"{}", **arguments)


def key(number: int) -> str:
    return f"key-of-a-job-{number:06d}"


def task(number: int) -> str:
    return f"task-{number}"


def done(number: int, **more: Any) -> Snapshot:
    arguments: dict[str, Any] = {"status": "completed", "urls": ("http://h/1.png",), **more}
    return Snapshot(task(number), **arguments)


def file_of(number: int, **more: Any) -> File:
    return File(
        **{"index": 0, "path": Path("/files/1.png"), "size": 3, "sha256": "ab" * 32, **more}
    )


# Each call with a value that no database can store.
UNWRITABLE: dict[str, Callable[[Ledger, int], object]] = {
    "intend: a lone surrogate in the name": lambda one, n: one.record_intent(
        intent(n, name=SURROGATE)
    ),
    "intend: a lone surrogate in the model": lambda one, n: one.record_intent(
        intent(n, model=SURROGATE)
    ),
    "intend: a huge attempt": lambda one, n: one.record_intent(intent(n, name="n", attempt=HUGE)),
    "intend: an unsupported model": lambda one, n: one.record_intent(
        intent(n, model=Unsupported())
    ),
    "intend: a body that is not JSON": lambda one, n: one.record_intent(
        intent(n, body={"a": Unsupported()})
    ),
    "accepted: a lone surrogate in the id": lambda one, n: one.record_accepted(
        key(n), Snapshot(SURROGATE + str(n), "pending"), hold=True
    ),
    "accepted: the id of another": lambda one, n: one.record_accepted(
        key(n), Snapshot(task(0), "pending"), hold=True
    ),
    "accepted: a huge progress": lambda one, n: one.record_accepted(
        key(n), Snapshot(task(n), "pending", progress=HUGE), hold=True
    ),
    "poll: a huge progress": lambda one, n: one.record_poll(SERVER, done(n, progress=HUGE)),
    "poll: a lone surrogate in the model": lambda one, n: one.record_poll(
        SERVER, done(n, model=SURROGATE)
    ),
    "ended: a huge time": lambda one, n: one.record_done(SERVER, done(n, created=HUGE)),
    "ended: an unsupported model": lambda one, n: one.record_done(
        SERVER, done(n, model=Unsupported())
    ),
    "acquire: a lone surrogate in the id": lambda one, n: one.acquire_task(
        SERVER, SURROGATE + str(n)
    ),
    "saved: an invalid digest": lambda one, n: one.record_files(
        SERVER, task(n), [file_of(n, sha256="no digest")]
    ),
    "saved: a huge size": lambda one, n: one.record_files(SERVER, task(n), [file_of(n, size=HUGE)]),
    "saved: a lone surrogate in a name": lambda one, n: one.record_files(
        SERVER, task(n), [file_of(n, path=Path("/files") / SURROGATE)]
    ),
}


def record_job(ledger: Ledger, number: int) -> None:
    """Record a job from its intent to its files."""
    ledger.record_intent(intent(number))
    ledger.record_accepted(key(number), Snapshot(task(number), "pending"), hold=True)
    ledger.record_poll(SERVER, Snapshot(task(number), "processing", progress=50))
    ledger.record_done(SERVER, done(number))
    ledger.record_files(SERVER, task(number), [file_of(number)])
    ledger.release_task(SERVER, task(number))


def record_invalid_job(
    ledger: Ledger, number: int, write_invalid: Callable[[Ledger, int], object]
) -> str:
    """Record a job with a value that can't be written; return the error's name, or ''."""
    try:
        ledger.record_intent(intent(number))
        write_invalid(ledger, number)
        ledger.find(key(number))
    except Exception as error:
        return type(error).__name__
    return ""


@pytest.mark.parametrize("write_invalid", UNWRITABLE.values(), ids=UNWRITABLE)
@pytest.mark.parametrize("shared", [False, True], ids=["threads", "transaction"])
def test_an_unwritable_value_fails_only_its_own_job(
    ledger: Ledger, write_invalid: Callable[[Ledger, int], object], shared: bool
) -> None:
    """Every other job, concurrent or later, is complete."""
    record_job(ledger, 0)
    numbers = range(1, 25)
    jobs = [
        partial(record_invalid_job, ledger, number, write_invalid)
        if number % 5 == 3
        else partial(record_job, ledger, number)
        for number in numbers
    ]
    if shared:
        outcomes = run_together(ledger, jobs)
        assert [
            outcome.error for n, outcome in zip(numbers, outcomes, strict=True) if n % 5 != 3
        ] == [None] * 19
    else:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda job: job(), jobs))
    record_job(ledger, 99)
    saved = {job.key for job in ledger.jobs([JobState.SAVED]) if len(job.files) == 1}
    assert {key(n) for n in (0, *numbers, 99) if n % 5 != 3} <= saved


def test_an_unwritable_value_is_a_ledger_error(ledger: Ledger) -> None:
    """The caller gets a LedgerError, and what was stored before is kept."""
    ledger.record_intent(intent(1))
    with pytest.raises(LedgerError, match="can't be stored"):
        ledger.record_accepted(key(1), Snapshot(SURROGATE, "pending"), hold=False)
    assert ledger.find(key(1)).state is JobState.INTENT
    ledger.record_accepted(key(1), Snapshot(task(1), "pending"), hold=False)


words = st.sampled_from([*UNWRITABLE, *["valid"] * len(UNWRITABLE)])


@settings(max_examples=examples(25))
@given(st.lists(words, min_size=4, max_size=30), st.integers(1, 8))
def test_any_mixture_keeps_the_valid_jobs(kinds: list[str], threads: int) -> None:
    """In any order, all valid jobs are kept."""
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "l.db") as ledger:
        record_job(ledger, 0)

        def do(number: int) -> None:
            word = kinds[number - 1]
            if word == "valid":
                record_job(ledger, number)
            else:
                record_invalid_job(ledger, number, UNWRITABLE[word])

        numbers = range(1, len(kinds) + 1)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(do, numbers))
        saved = {job.key for job in ledger.jobs([JobState.SAVED])}
        assert {key(n) for n in numbers if kinds[n - 1] == "valid"} <= saved


def test_a_failed_write_loses_no_buffered_update(ledger: Ledger, path: Path) -> None:
    """A buffered update that could not be written is written later."""
    for number in range(3):
        ledger.record_intent(intent(number))
        ledger.record_accepted(key(number), Snapshot(task(number), "pending"), hold=True)
    ledger._store._database.connection.execute("PRAGMA busy_timeout = 20")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in range(3):
            ledger.record_poll(SERVER, Snapshot(task(number), "processing", progress=50))
        with pytest.raises(LedgerError, match="locked"):
            ledger.jobs()
        other.execute("ROLLBACK")
    assert [job.progress for job in ledger.jobs()] == [50] * 3


@pytest.mark.parametrize("text", [SURROGATE, "\x00", "a\x1b[31mb", "\U0001f600"])
def test_a_reason_of_any_text_is_kept_readable(ledger: Ledger, text: str) -> None:
    """Invalid characters of a message are replaced."""
    ledger.record_intent(intent(1))
    ledger.record_accepted(key(1), Snapshot(task(1), "pending"), hold=False)
    ledger.record_done(SERVER, Snapshot(task(1), "failed", failure=TaskFailure("code", text)))
    found = ledger.find(task(1))
    assert found.state is JobState.FAILED
    assert found.reason == text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


@pytest.mark.parametrize("links", [("http://h/\ud83d.png",), ("http://h/ü.png", "x")])
def test_links_of_any_text_are_read_back_equal(ledger: Ledger, links: tuple[str, ...]) -> None:
    """URLs are stored without loss."""
    ledger.record_intent(intent(1))
    ledger.record_accepted(key(1), Snapshot(task(1), "pending"), hold=False)
    ledger.record_done(SERVER, done(1, urls=links))
    assert ledger.find(task(1)).links == links


@settings(max_examples=examples(25))
@given(st.binary(min_size=1, max_size=40).filter(lambda raw: not {0, 47} & set(raw)))
def test_a_folder_of_any_name_is_read_back_equal(raw: bytes) -> None:
    """A path is bytes, and needn't be UTF-8."""
    folder = Path("/files") / os.fsdecode(raw)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "l.db"
        with Ledger(path) as ledger:
            ledger.record_intent(intent(1, folder=folder))
            ledger.record_accepted(key(1), Snapshot(task(1), "pending"), hold=True)
            ledger.record_target_dir(SERVER, task(1), folder)
            ledger.record_files(SERVER, task(1), [file_of(1, path=folder / "1.png")])
        with Ledger(path) as ledger:
            found = ledger.find(key(1))
            assert (found.output_dir, found.files[0].path) == (folder, folder / "1.png")


def test_a_ledger_in_a_folder_of_any_name(tmp_path: Path) -> None:
    """Its own path needn't be UTF-8 either."""
    path = tmp_path / os.fsdecode(b"caf\xe9") / "ledger.db"
    for number in range(2):
        with Ledger(path) as ledger:
            record_job(ledger, number)
            assert len(ledger.jobs([JobState.SAVED])) == number + 1


def test_a_directory_of_an_older_version_is_read(path: Path) -> None:
    """A directory written by an older version is read as the same path."""
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        migrate(old, path, MIGRATIONS)
        old.execute("INSERT INTO place (text) VALUES (?), (?)", [SERVER, "/files/ü %41"])
        old.execute(
            "INSERT INTO job (server, key, state, folder, intended) VALUES (1, ?, 'intent', 2, 0)",
            [key(1)],
        )
    with Ledger(path) as ledger:
        assert ledger.find(key(1)).output_dir == Path("/files/ü %41")


def test_many_threads_with_unwritable_values_all_end(ledger: Ledger) -> None:
    """Unwritable values in all kinds of concurrent writes block no thread."""
    threads = [
        threading.Thread(
            target=record_invalid_job, args=(ledger, number, write_invalid), daemon=True
        )
        for number, write_invalid in enumerate(UNWRITABLE.values(), 1)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert not any(one.is_alive() for one in threads)
    with pytest.raises(WanflowError):
        ledger.record_intent(intent(1, name=SURROGATE))
