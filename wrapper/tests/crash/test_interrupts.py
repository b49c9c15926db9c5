"""Interrupted or cancelled at any call or line, a submission is in the ledger as it is."""

from __future__ import annotations

import gc
import os
import random
import threading
import time
from collections import Counter
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.crash.conftest import ROUNDS_VARIABLE
from tests.crash.injection import STRIKERS, Struck
from tests.crash.worker import key_of, prompt_of
from wanflow import Client
from wanflow.ledger import JobState, Ledger
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A file whose `open` is interrupted is closed by the collector, which says so.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)
_FEW = 25
"""Points of each kind by default; `make crash` takes all."""
_SETTLED = {JobState.REJECTED, JobState.ACCEPTED, JobState.COMPLETED, JobState.SAVED}


def points(count: int) -> list[int]:
    """Choose of so many points: all, or some by chance, the first and the last among them."""
    every = range(1, count + 1)
    if os.environ.get(ROUNDS_VARIABLE) is not None or count <= _FEW:
        return list(every)
    return [1, *sorted(random.Random(count).sample(every[1:-1], _FEW - 2)), count]


@contextmanager
def nothing_left() -> Iterator[None]:
    """Hold that no thread and no file descriptor stays."""
    before = Counter(open_files())
    yield
    settle(lambda: [t.name for t in threading.enumerate() if t.name == "wanflow-submission"])
    settle(lambda: list((Counter(open_files()) - before).elements()))


def open_files() -> list[str]:
    """Say what each file descriptor of this process leads to, but for sockets' numbers."""
    found = []
    for number in Path("/proc/self/fd").iterdir() if Path("/proc/self/fd").exists() else ():
        with suppress(OSError):
            found.append(str(number.readlink()).partition(":")[0])
    return found


def settle(left: Callable[[], list[str]]) -> None:
    """Wait a little for what threads on their way out still do, and hold that nothing is left."""
    until = time.monotonic() + 10
    while left() and time.monotonic() < until:
        gc.collect()
        time.sleep(0.05)
    assert not left()


class Books:
    """The mock's books, against which each submission is held."""

    def __init__(self, mock: MockServer, ledger: Ledger | None) -> None:
        self._mock = mock
        self._ledger = ledger
        self.ends: Counter[str] = Counter()

    def check(self, number: int, struck: Struck) -> None:
        """Hold one submission against them."""
        charged = [task for task in self._mock.gateway.tasks if task.prompt == prompt_of(number)]
        assert len(charged) <= 1, struck
        task_id = charged[0].id if charged else None
        if struck.error is not None:
            assert getattr(struck.error, "task_id", None) == task_id, struck
        if self._ledger is not None:
            self._check_job(self._ledger, number, task_id, struck)
        self.ends["charged" if charged else "not sent"] += 1

    def _check_job(self, ledger: Ledger, number: int, task_id: str | None, struck: Struck) -> None:
        job = ledger.find(key_of(number))
        if job is None:
            assert task_id is None, struck
            return
        assert job.owner is None, (struck, job)
        assert job.state in _SETTLED, (struck, job)
        assert job.task_id == task_id, (struck, job)
        assert (job.state is JobState.REJECTED) == (task_id is None), (struck, job)


@pytest.mark.parametrize("recorded", [True, False], ids=["ledger", "no ledger"])
@pytest.mark.parametrize("whole", [False, True], ids=["submit", "run"])
@pytest.mark.parametrize("kind", STRIKERS)
def test_whatever_is_struck_is_in_the_books_as_it_is(
    kind: str, *, whole: bool, recorded: bool, picture: str, tmp_path: Path
) -> None:
    """Nothing was sent and the ledger says so, or the id is in the ledger and on the exception."""

    def call(client: Any, number: int) -> Any:
        order = {"model": picture, "prompt": prompt_of(number), "idempotency_key": key_of(number)}
        return client.run(**order, output_dir=tmp_path / "out") if whole else client.submit(**order)

    made = Ledger(tmp_path / "ledger.db") if recorded else nullcontext()
    with MockServer(polls=1) as mock, nothing_left(), made as ledger:
        books = Books(mock, ledger)
        options = {"api_key": mock.api_key, "base_url": mock.base_url, "ledger": ledger}
        STRIKERS[kind].each(options, call, points, books.check)
    assert books.ends["charged"] > 0
    assert books.ends["not sent"] > 0


@pytest.mark.parametrize("kind", STRIKERS)
def test_what_was_struck_before_it_was_sent_can_be_sent_again(
    kind: str, picture: str, tmp_path: Path
) -> None:
    """The same key is submitted again by the same process right after, and accepted once."""
    again: list[int] = []

    def call(client: Any, number: int) -> Any:
        order = {"model": picture, "prompt": prompt_of(number), "idempotency_key": key_of(number)}
        return client.submit(**order)

    with MockServer(polls=1) as mock, Ledger(tmp_path / "ledger.db") as ledger:
        options = {"api_key": mock.api_key, "base_url": mock.base_url, "ledger": ledger}
        STRIKERS[kind].each(options, call, points, lambda number, _: again.append(number))
        unsent = [n for n in again if (job := ledger.find(key_of(n))) and job.task_id is None]
        with Client(**options) as client:
            tasks = {number: call(client, number).id for number in again}
    assert unsent or kind == "sync", "nothing was struck between its intent and its first byte"
    charged = {task.prompt: task.id for task in mock.gateway.tasks}
    assert tasks == {number: charged[prompt_of(number)] for number in again}
    assert len(mock.gateway.tasks) == len(again) + 2
