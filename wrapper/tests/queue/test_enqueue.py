"""A batch in a queue: checked as a batch is, enqueued whole, and the same one only once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from threading import Event
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.any_model import model_name
from tests.queue.manual_worker import enqueue
from tests.uploads.conftest import BUCKET, object_names
from wanflow import AsyncClient
from wanflow.batch import InvalidBatch
from wanflow.errors import ConfigurationError, LedgerError
from wanflow.ledger.deduplication import request_digest
from wanflow.queue import database
from wanflow.queue import enqueue as queue_enqueue

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock import MockServer
    from wanflow.queue.handle import QueuedBatch

MODEL = model_name("image")


def job(prompt: str = "a cat", **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "prompt": prompt, **more}


class TestEnqueuing:
    def test_an_invalid_line_enqueues_nothing_and_names_every_problem(
        self, queue: str, server: MockServer, api_key: str, tmp_path: Path, worker: ManualWorker
    ) -> None:
        with pytest.raises(InvalidBatch) as caught:
            enqueue(queue, server, api_key, [job(), {"model": MODEL}, {"model": 1}], tmp_path)
        assert [error.line for error in caught.value.row_errors] == [2, 3]
        assert worker.states() == {}
        assert worker.rows() == 0

    def test_each_planned_job_has_a_row_from_the_beginning(
        self, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker
    ) -> None:
        assert add_jobs(7).added == 7
        assert worker.states() == {"planned": 7}
        assert worker.rows() == 7
        assert worker.sweep() == 0

    def test_the_same_batch_on_two_machines_at_the_same_time_is_one(
        self, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker
    ) -> None:
        with ThreadPoolExecutor(4) as pool:
            batches = list(pool.map(add_jobs, repeat(20, 4)))
        assert sorted(one.added for one in batches) == [0, 0, 0, 20]
        assert worker.states() == {"planned": 20}
        assert worker.rows() == 20

    def test_a_batch_whose_comparison_takes_long_is_enqueued_whole(
        self,
        add_jobs: Callable[..., QueuedBatch],
        worker: ManualWorker,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """It is no machine that stalls, whose transaction the database ends."""
        add_jobs(2)

        def slow_digest(key: str, content: Any) -> bytes:
            Event().wait(0.3)
            return request_digest(key, content)

        monkeypatch.setattr(database, "IDLE_LIMIT", 0.1)
        monkeypatch.setattr(queue_enqueue, "request_digest", slow_digest)
        assert add_jobs(3).added == 1
        assert worker.states() == {"planned": 3}

    def test_overlapping_batches_of_several_names_at_the_same_time_are_all_there(
        self, queue: str, server: MockServer, api_key: str, tmp_path: Path, worker: ManualWorker
    ) -> None:
        """Two machines for each name, whose files and folder overlap with those of the others."""

        def add(number: int) -> QueuedBatch:
            lines = [job(f"a cat {n}", key=f"cat {n}") for n in range(number // 2, 6)]
            options = {"name": f"run{number // 2}", "max_credits": 1000}
            return enqueue(queue, server, api_key, lines, tmp_path / "out", **options)

        with ThreadPoolExecutor(8) as pool:
            added = [one.added for one in pool.map(add, range(8))]
        assert [sum(added[number : number + 2]) for number in range(0, 8, 2)] == [6, 5, 4, 3]
        assert worker.states() == {"planned": 18}
        assert worker.rows() == 18
        worker.drain()
        assert worker.states() == {"saved": 18}
        assert server.accounts.for_key(api_key).submitted == 18

    def test_the_same_requests_under_another_name_are_other_jobs(
        self, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker
    ) -> None:
        add_jobs(2)
        assert add_jobs(2, name="run2").added == 2
        assert worker.states() == {"planned": 4}

    def test_a_key_means_one_job_of_its_batch_and_one_request(
        self, queue: str, server: MockServer, api_key: str, tmp_path: Path, worker: ManualWorker
    ) -> None:
        enqueue(queue, server, api_key, [job(key="a"), job(key="a"), job(key="b")], tmp_path)
        assert worker.states() == {"planned": 2}
        with pytest.raises(InvalidBatch, match="key 'b' was already used for another request"):
            enqueue(queue, server, api_key, [job("a dog", key="b"), job(key="c")], tmp_path)
        assert worker.states() == {"planned": 2}
        enqueue(queue, server, api_key, [job("a dog", key="b")], tmp_path / "2", name="run2")
        assert worker.states() == {"planned": 3}

    def test_a_key_is_the_same_in_no_two_batches_whatever_slashes_their_names_have(
        self, queue: str, server: MockServer, api_key: str, tmp_path: Path, worker: ManualWorker
    ) -> None:
        """And enqueued again, each is the job of its batch."""
        names = {"a": "b/c", "a/b": "c", "a%2Fb": "c", "a/": "b/c"}
        for added in (1, 0):
            for name, key in names.items():
                jobs = [job(f"a cat {name}", key=key)]
                batch = enqueue(queue, server, api_key, jobs, tmp_path, name=name)
                assert batch.added == added
        assert worker.states() == {"planned": len(names)}

    def test_a_job_of_the_ledger_that_no_batch_has_is_named(
        self, queue: str, server: MockServer, api_key: str, tmp_path: Path, worker: ManualWorker
    ) -> None:
        enqueue(queue, server, api_key, [job(key="a")], tmp_path)
        worker.execute("UPDATE wanflow.job SET batch = NULL")
        with pytest.raises(InvalidBatch, match="it is job 1, which another batch or none has"):
            enqueue(queue, server, api_key, [job(key="a")], tmp_path)

    def test_a_batch_stays_with_its_folder(
        self, queue: str, server: MockServer, api_key: str, tmp_path: Path
    ) -> None:
        enqueue(queue, server, api_key, [job()], tmp_path)
        with pytest.raises(ConfigurationError, match="'run1' is in the queue with another folder"):
            enqueue(queue, server, api_key, [job()], tmp_path / "other")

    @pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 501])
    def test_a_name_is_printable_and_short(
        self, queue: str, server: MockServer, api_key: str, tmp_path: Path, name: str
    ) -> None:
        with pytest.raises(ConfigurationError, match="the name of a batch is a text of 1 to 500"):
            enqueue(queue, server, api_key, [job()], tmp_path, name=name)

    def test_a_database_without_a_queue_is_named_as_such(
        self, postgres_url: str, server: MockServer, api_key: str, tmp_path: Path
    ) -> None:
        with pytest.raises(ConfigurationError, match="run wanflow queue init"):
            enqueue(postgres_url, server, api_key, [job()], tmp_path)

    def test_an_unreachable_database_is_an_error_without_its_password(
        self, server: MockServer, api_key: str, tmp_path: Path
    ) -> None:
        url = "postgresql://someone:secret@127.0.0.1:1/none"
        with pytest.raises(LedgerError, match="the server can't be reached") as caught:
            enqueue(url, server, api_key, [job()], tmp_path)
        assert "secret" not in str(caught.value)


class TestOutcomes:
    def test_come_in_an_iterator_and_in_the_report_of_a_batch(
        self, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, tmp_path: Path
    ) -> None:
        batch = add_jobs(3)
        worker.drain()
        results = list(batch)
        assert [str(one.status) for one in results] == ["saved"] * 3
        report = batch.wait()
        assert report.complete
        assert {one.job.line for one in report.results} == {1, 2, 3}
        for one in report.results:
            assert all(file.path.stat().st_size == file.size for file in one.files)
            assert one.files
        assert (tmp_path / "out" / "report.json").exists()
        assert (tmp_path / "out" / "index.html").exists()

    def test_come_in_an_async_iterator(
        self, queue: str, server: MockServer, api_key: str, worker: ManualWorker, tmp_path: Path
    ) -> None:
        async def run() -> list[str]:
            async with AsyncClient(api_key, server.base_url) as client:
                batch = await client.enqueue([job(), job("a dog")], queue=queue, out=tmp_path)
                await anyio.to_thread.run_sync(worker.drain)
                found = [str(one.status) async for one in batch]
                assert (await batch.wait()).complete
                return found

        assert anyio.run(run) == ["saved", "saved"]


def test_files_and_report_go_to_object_storage(
    queue: str, server: MockServer, api_key: str, worker: ManualWorker, s3: Any
) -> None:
    batch = enqueue(queue, server, api_key, [job()], f"s3://{BUCKET}/run1")
    worker.drain()
    report = batch.wait()
    assert report.complete
    (file,) = report.results[0].files
    names = object_names(s3)
    assert str(file.path).removeprefix(f"s3://{BUCKET}/") in names
    assert "run1/report.json" in names
