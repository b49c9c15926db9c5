"""What can't be written costs its own entry and no other, whatever it is and whatever it raises."""

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

from wanflow._core.recorder import File, SubmissionIntent
from wanflow._core.snapshot import Snapshot, TaskFailure
from wanflow.errors import LedgerError, WanflowError
from wanflow.ledger import JobState, Ledger
from wanflow.ledger.database import MIGRATIONS, migrate

if TYPE_CHECKING:
    from collections.abc import Callable

SERVER = "http://api.example/v1"
HALF = "half of a pair: \ud83d"
HUGE = 2**70


class Odd:
    """A value of a type that no database knows."""


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


# Each way to tell a ledger something that no database can hold.
POISON: dict[str, Callable[[Ledger, int], object]] = {
    "intend: half a pair in the name": lambda one, n: one.record_intent(intent(n, name=HALF)),
    "intend: half a pair in the model": lambda one, n: one.record_intent(intent(n, model=HALF)),
    "intend: a huge attempt": lambda one, n: one.record_intent(intent(n, name="n", attempt=HUGE)),
    "intend: an odd model": lambda one, n: one.record_intent(intent(n, model=Odd())),
    "intend: a body that is no JSON": lambda one, n: one.record_intent(
        intent(n, body={"a": Odd()})
    ),
    "accepted: half a pair in the id": lambda one, n: one.record_accepted(
        key(n), Snapshot(HALF + str(n), "pending"), hold=True
    ),
    "accepted: the id of another": lambda one, n: one.record_accepted(
        key(n), Snapshot(task(0), "pending"), hold=True
    ),
    "accepted: a huge progress": lambda one, n: one.record_accepted(
        key(n), Snapshot(task(n), "pending", progress=HUGE), hold=True
    ),
    "seen: a huge progress": lambda one, n: one.record_poll(SERVER, done(n, progress=HUGE)),
    "seen: half a pair in the model": lambda one, n: one.record_poll(SERVER, done(n, model=HALF)),
    "ended: a huge moment": lambda one, n: one.record_done(SERVER, done(n, created=HUGE)),
    "ended: an odd model": lambda one, n: one.record_done(SERVER, done(n, model=Odd())),
    "hold: half a pair in the id": lambda one, n: one.acquire_task(SERVER, HALF + str(n)),
    "saved: a digest that is none": lambda one, n: one.record_files(
        SERVER, task(n), [file_of(n, sha256="no digest")]
    ),
    "saved: a huge size": lambda one, n: one.record_files(SERVER, task(n), [file_of(n, size=HUGE)]),
    "saved: half a pair in a name": lambda one, n: one.record_files(
        SERVER, task(n), [file_of(n, path=Path("/files") / HALF)]
    ),
}


def whole(ledger: Ledger, number: int) -> None:
    """A job from its beginning to its end."""
    ledger.record_intent(intent(number))
    ledger.record_accepted(key(number), Snapshot(task(number), "pending"), hold=True)
    ledger.record_poll(SERVER, Snapshot(task(number), "processing", progress=50))
    ledger.record_done(SERVER, done(number))
    ledger.record_files(SERVER, task(number), [file_of(number)])
    ledger.release_task(SERVER, task(number))


def poisoned(ledger: Ledger, number: int, poison: Callable[[Ledger, int], object]) -> str:
    """A job into which something comes that can't be written; what became of it."""
    try:
        ledger.record_intent(intent(number))
        poison(ledger, number)
        ledger.find(key(number))
    except Exception as error:
        return type(error).__name__
    return ""


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
@pytest.mark.parametrize("shared", [False, True], ids=["threads", "together"])
def test_a_poisoned_entry_costs_itself_alone(
    ledger: Ledger, poison: Callable[[Ledger, int], object], shared: bool
) -> None:
    """Every other job that is written beside it is whole, and so is each that comes after."""
    whole(ledger, 0)
    numbers = range(1, 25)
    jobs = [
        partial(poisoned, ledger, number, poison)
        if number % 5 == 3
        else partial(whole, ledger, number)
        for number in numbers
    ]
    if shared:
        ends = ledger.run_in_transaction(jobs)
        assert [end.error for n, end in zip(numbers, ends, strict=True) if n % 5 != 3] == [
            None
        ] * 19
    else:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda job: job(), jobs))
    whole(ledger, 99)
    saved = {job.key for job in ledger.jobs([JobState.SAVED]) if len(job.files) == 1}
    assert {key(n) for n in (0, *numbers, 99) if n % 5 != 3} <= saved


def test_what_cannot_be_written_is_an_error_of_the_ledger(ledger: Ledger) -> None:
    """Who told it hears of it in the ledger's own words, and what was there stays."""
    ledger.record_intent(intent(1))
    with pytest.raises(LedgerError, match="can't be stored"):
        ledger.record_accepted(key(1), Snapshot(HALF, "pending"), hold=False)
    assert ledger.find(key(1)).state is JobState.INTENT
    ledger.record_accepted(key(1), Snapshot(task(1), "pending"), hold=False)


words = st.sampled_from([*POISON, *["good"] * len(POISON)])


@settings(max_examples=25)
@given(st.lists(words, min_size=4, max_size=30), st.integers(1, 8))
def test_any_mixture_of_good_and_poisoned_keeps_the_good(taken: list[str], threads: int) -> None:
    """Whatever order and company they come in."""
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "l.db") as ledger:
        whole(ledger, 0)

        def do(number: int) -> None:
            word = taken[number - 1]
            if word == "good":
                whole(ledger, number)
            else:
                poisoned(ledger, number, POISON[word])

        numbers = range(1, len(taken) + 1)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(do, numbers))
        saved = {job.key for job in ledger.jobs([JobState.SAVED])}
        assert {key(n) for n in numbers if taken[n - 1] == "good"} <= saved


def test_a_disk_that_fails_costs_no_note(ledger: Ledger, path: Path) -> None:
    """What was noted and could not be written is written later."""
    for number in range(3):
        ledger.record_intent(intent(number))
        ledger.record_accepted(key(number), Snapshot(task(number), "pending"), hold=True)
    ledger._store._connection.execute("PRAGMA busy_timeout = 20")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in range(3):
            ledger.record_poll(SERVER, Snapshot(task(number), "processing", progress=50))
        with pytest.raises(LedgerError, match="locked"):
            ledger.jobs()
        other.execute("ROLLBACK")
    assert [job.progress for job in ledger.jobs()] == [50] * 3


@pytest.mark.parametrize("text", [HALF, "\x00", "a\x1b[31mb", "\U0001f600"])
def test_a_reason_of_any_text_is_kept_readable(ledger: Ledger, text: str) -> None:
    """What people read is written with replacement."""
    ledger.record_intent(intent(1))
    ledger.record_accepted(key(1), Snapshot(task(1), "pending"), hold=False)
    ledger.record_done(SERVER, Snapshot(task(1), "failed", failure=TaskFailure("code", text)))
    found = ledger.find(task(1))
    assert found.state is JobState.FAILED
    assert found.reason == text.encode("utf-8", "replace").decode()


@pytest.mark.parametrize("links", [("http://h/\ud83d.png",), ("http://h/ü.png", "x")])
def test_links_of_any_text_are_read_back_equal(ledger: Ledger, links: tuple[str, ...]) -> None:
    """They lead to what was paid for."""
    ledger.record_intent(intent(1))
    ledger.record_accepted(key(1), Snapshot(task(1), "pending"), hold=False)
    ledger.record_done(SERVER, done(1, urls=links))
    assert ledger.find(task(1)).links == links


@settings(max_examples=25)
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
            whole(ledger, number)
            assert len(ledger.jobs([JobState.SAVED])) == number + 1


def test_a_folder_that_was_written_before_is_found_again(path: Path) -> None:
    """What older versions wrote stays as it is, and is the same folder."""
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        migrate(old, path, MIGRATIONS)
        old.execute("INSERT INTO place (text) VALUES (?), (?)", [SERVER, "/files/ü %41"])
        old.execute(
            "INSERT INTO job (server, key, state, folder, intended) VALUES (1, ?, 'intent', 2, 0)",
            [key(1)],
        )
    with Ledger(path) as ledger:
        assert ledger.find(key(1)).output_dir == Path("/files/ü %41")


def test_threads_that_write_much_are_all_heard(ledger: Ledger) -> None:
    """Poison in every kind of write at the same time keeps no thread waiting."""
    threads = [
        threading.Thread(target=poisoned, args=(ledger, number, poison), daemon=True)
        for number, poison in enumerate(POISON.values(), 1)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join(20)
    assert not any(one.is_alive() for one in threads)
    with pytest.raises(WanflowError):
        ledger.record_intent(intent(1, name=HALF))
