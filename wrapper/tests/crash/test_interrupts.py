"""A submission that is interrupted or cancelled at any call or line is recorded correctly."""

from __future__ import annotations

import gc
import os
import random
import threading
from collections import Counter
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.crash.conftest import ROUNDS_VARIABLE
from tests.crash.injection import INJECTORS, Injection, InjectionResult, interrupt
from tests.crash.worker import SIZE, key_of, prompt_of
from tests.examples import examples
from tests.waiting import wait_until
from wanflow import Client
from wanflow import _regular_file as regular_file
from wanflow.ledger import JobState, Ledger
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

# A file whose `open` is interrupted is closed by the garbage collector, with a warning.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)
_FEW = examples(25)
"""Points of each kind: these with WANFLOW_ALL_EXAMPLES, a third by default, all in `make crash`."""
_SETTLED = {JobState.REJECTED, JobState.ACCEPTED, JobState.COMPLETED, JobState.SAVED}


_MANY = examples(60)
"""Points by default where the interrupt must come between two events that are close."""


def points(count: int, few: int = _FEW) -> list[int]:
    """Choose points: all, or a random sample with the first and the last."""
    every = range(1, count + 1)
    if os.environ.get(ROUNDS_VARIABLE) is not None or count <= few:
        return list(every)
    return [1, *sorted(random.Random(count).sample(every[1:-1], few - 2)), count]


def many_points(count: int) -> list[int]:
    """Choose points: all, or a larger sample."""
    return points(count, _MANY)


@contextmanager
def nothing_left() -> Generator[None]:
    """Check that no thread and no file descriptor is left."""
    before = Counter(open_files())
    yield
    wait_until_empty(
        lambda: [t.name for t in threading.enumerate() if t.name == "wanflow-submission"]
    )
    wait_until_empty(lambda: list((Counter(open_files()) - before).elements()))


def open_files() -> list[str]:
    """Return the targets of the file descriptors of this process, without socket numbers."""
    found = list[str]()
    for number in Path("/proc/self/fd").iterdir() if Path("/proc/self/fd").exists() else ():
        with suppress(OSError):
            found.append(str(number.readlink()).partition(":")[0])
    return found


def wait_until_empty(left: Callable[[], list[str]]) -> None:
    """Wait briefly for threads that are ending, and check that nothing is left.

    Garbage is collected only if something is: among thousands of tests that takes 0.1 s each time.
    """
    wait_until(lambda: not left() or (gc.collect() >= 0 and not left()))


class ServerRecords:
    """The tasks of the mock, to compare each submission with."""

    def __init__(self, mock: MockServer, ledger: Ledger | None) -> None:
        self._mock = mock
        self._ledger = ledger
        self.ends: Counter[str] = Counter()

    def check(self, number: int, result: InjectionResult) -> None:
        """Compare one submission with them."""
        charged = [task for task in self._mock.gateway.tasks if task.prompt == prompt_of(number)]
        assert len(charged) <= 1, result
        task_id = charged[0].id if charged else None
        if result.error is not None:
            assert getattr(result.error, "task_id", None) == task_id, result
        if self._ledger is not None:
            self._check_job(self._ledger, number, task_id, result)
        self.ends["charged" if charged else "not sent"] += 1

    def _check_job(
        self, ledger: Ledger, number: int, task_id: str | None, result: InjectionResult
    ) -> None:
        job = ledger.find(key_of(number))
        if job is None:
            assert task_id is None, result
            return
        assert job.owner is None, (result, job)
        assert job.state in _SETTLED, (result, job)
        assert job.task_id == task_id, (result, job)
        assert (job.state is JobState.REJECTED) == (task_id is None), (result, job)


@pytest.mark.parametrize("recorded", [True, False], ids=["ledger", "no ledger"])
@pytest.mark.parametrize("whole", [False, True], ids=["submit", "run"])
@pytest.mark.parametrize("kind", INJECTORS)
def test_an_interrupted_call_is_recorded_correctly(
    kind: str, *, whole: bool, recorded: bool, image_model: str, tmp_path: Path
) -> None:
    """Nothing was sent and the job is rejected, or the id is in the ledger and on the exception."""

    def call(client: Any, number: int) -> Any:
        request_body = {
            "model": image_model,
            "prompt": prompt_of(number),
            "size": SIZE,
            "idempotency_key": key_of(number),
        }
        return (
            client.run(**request_body, output_dir=tmp_path / "out")
            if whole
            else client.submit(**request_body)
        )

    made = Ledger(tmp_path / "ledger.db") if recorded else nullcontext()
    with MockServer(polls=1) as mock, nothing_left(), made as ledger:
        records = ServerRecords(mock, ledger)
        options = {
            "api_key": mock.api_key,
            "base_url": mock.base_url,
            "ledger": ledger,
            "on_event": print,
        }
        INJECTORS[kind].each(options, call, points, records.check)
    assert records.ends["charged"] > 0
    assert records.ends["not sent"] > 0


def read_or_write(path: Path, flags: int) -> None:
    """Open a file as `flags` say, and close it."""
    with suppress(FileExistsError):
        regular_file.open_regular(path, flags).close()


USES: dict[str, Callable[[Path], object]] = {
    "read": lambda path: read_or_write(path, os.O_RDONLY),
    "write": lambda path: read_or_write(path, os.O_WRONLY),
    "read and write": lambda path: read_or_write(path, os.O_RDWR | os.O_CREAT),
    "create": lambda path: read_or_write(path.with_name("new"), os.O_RDWR | os.O_CREAT | os.O_EXCL),
    "replace": lambda path: regular_file.write_atomically(path, b"new"),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_an_interrupted_open_leaves_no_descriptor(
    use: Callable[[Path], object], tmp_path: Path
) -> None:
    """At any line, a descriptor belongs to an object that closes it, and no other file is left."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    nth = 0
    for nth in range(1, 1000):
        with nothing_left(), Injection(nth, interrupt) as result, suppress(KeyboardInterrupt):
            use(path)
        assert {one.name for one in tmp_path.iterdir()} <= {"file", "new"}, result
        if not result.where:
            break
    assert 5 < nth < 1000


@pytest.mark.parametrize("kind", INJECTORS)
def test_a_call_interrupted_before_sending_can_be_repeated(
    kind: str, image_model: str, tmp_path: Path
) -> None:
    """The same process submits the same key again, and it is accepted once."""
    again: list[int] = []

    def call(client: Any, number: int) -> Any:
        request_body = {
            "model": image_model,
            "prompt": prompt_of(number),
            "size": SIZE,
            "idempotency_key": key_of(number),
        }
        return client.submit(**request_body)

    with MockServer(polls=1) as mock, Ledger(tmp_path / "ledger.db") as ledger:
        options: dict[str, Any] = {
            "api_key": mock.api_key,
            "base_url": mock.base_url,
            "ledger": ledger,
            "on_event": print,
        }

        def unsent_jobs() -> list[int]:
            return [n for n in again if (job := ledger.find(key_of(n))) and job.task_id is None]

        def enough_points(count: int) -> Iterator[int]:
            """Yield a sample, and then other points until one was between intent and first byte."""
            yield from (sample := many_points(count))
            others = sorted({*range(1, count + 1)} - {*sample})
            for point in random.Random(count).sample(others, len(others)):
                if kind == "sync" or unsent_jobs():
                    return
                yield point

        INJECTORS[kind].each(options, call, enough_points, lambda number, _: again.append(number))
        unsent = unsent_jobs()
        with Client(**options) as client:
            tasks = {number: call(client, number).id for number in again}
    assert unsent or kind == "sync", "no call was interrupted between its intent and its first byte"
    charged = {task.prompt: task.id for task in mock.gateway.tasks}
    assert tasks == {number: charged[prompt_of(number)] for number in again}
    assert len(mock.gateway.tasks) == len(again) + 2
