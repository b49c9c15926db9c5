"""A callback brings a poll forward, and receivers of one queue share what was handled."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from tests.queue.test_worker import running
from wanflow import AsyncClient
from wanflow._core.snapshot import Snapshot
from wanflow.queue import QueueCallbacks, Worker
from wanflow.queue.callbacks import bring_forward_early
from wanflow.queue.engine import StepKind
from wanflow.queue.moves import Following
from wanflow.webhooks.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock import MockServer
    from wanflow.queue.handle import QueuedBatch


@pytest.fixture
def callbacks(queue: str) -> Iterator[QueueCallbacks]:
    """The callbacks of a queue."""
    with QueueCallbacks(queue) as opened:
        yield opened


def test_a_poll_that_waits_is_due_when_the_callback_of_its_task_comes(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, callbacks: QueueCallbacks
) -> None:
    add_jobs(2)
    worker.turn([StepKind.SUBMIT])
    worker.execute("UPDATE wanflow.queue SET execute_after = now() + interval '1 hour'")
    assert worker.take() == []
    first, _ = worker.column("task")
    callbacks.notify(first)
    assert [work.task for work in worker.take()] == [first]


def test_a_callback_during_a_poll_brings_the_next_one_forward(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, callbacks: QueueCallbacks
) -> None:
    """The response of that poll may be older than the callback."""
    add_jobs(2, "[mock:progression=seconds=3600]")
    worker.turn([StepKind.SUBMIT])
    worker.make_due()
    polls = worker.take([StepKind.POLL])
    first, _ = worker.column("task")
    callbacks.notify(first)
    worker.run(polls)
    again = worker.take()
    assert [work.task for work in again] == [first]
    worker.run(again)
    assert worker.take() == []


def test_a_callback_waits_for_the_end_of_a_poll_that_is_being_written(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, queue: str
) -> None:
    """It finds the row of the next poll, which was not there when it came."""
    add_jobs(1)
    worker.turn([StepKind.SUBMIT])
    worker.make_due()
    (work,) = worker.take([StepKind.POLL])
    recorder = worker.recorder(work)

    def notify() -> None:
        with QueueCallbacks(queue) as other:
            other.notify(work.task or "")

    thread = Thread(target=notify)

    def write() -> None:
        recorder.move(frozenset({work.state}), {}, Following(StepKind.POLL, 3600))
        thread.start()
        while not worker.execute(
            "SELECT 1 FROM pg_stat_activity "
            "WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ):
            pass

    assert worker.writes.run([write])[0].error is None
    thread.join()
    assert [one.task for one in worker.take()] == [work.task]
    assert worker.column("notified") == [False]


def test_a_callback_never_shortens_the_pause_after_a_rejected_poll(
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    callbacks: QueueCallbacks,
    fault: Callable[..., AbstractContextManager[None]],
) -> None:
    add_jobs(1)
    worker.turn([StepKind.SUBMIT])
    worker.make_due()
    polls = worker.take([StepKind.POLL])
    callbacks.notify(*worker.column("task"))
    with fault("status=401", operation="getTaskDetail"):
        worker.run(polls)
    ((seconds,),) = worker.execute(
        "SELECT extract(epoch FROM execute_after - now())::float8 FROM wanflow.queue"
    )
    assert 40 < seconds <= 60


def early(worker: ManualWorker) -> list[str]:
    return [one for (one,) in worker.execute("SELECT task FROM wanflow.early_callback")]


def test_a_callback_before_its_task_is_recorded_brings_the_first_poll_forward(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, callbacks: QueueCallbacks
) -> None:
    """The response to a submission may be on its way, or in a spool, when the callback comes."""
    add_jobs(1)
    worker.make_due()
    (work,) = worker.take([StepKind.SUBMIT])
    recorder = worker.intend(work)
    task = Snapshot("task-unified-1-early", "pending", estimated_time=600)
    for _ in range(2):
        callbacks.notify(task.id)
        bring_forward_early(worker.database)
    assert early(worker) == [task.id]
    worker.write(lambda: recorder.record_accepted(work.key, task, hold=False))
    assert worker.take() == []
    bring_forward_early(worker.database)
    assert [one.task for one in worker.take()] == [task.id]
    assert early(worker) == []


def test_a_worker_checks_for_callbacks_that_came_early(
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    callbacks: QueueCallbacks,
    server: MockServer,
    queue: str,
    api_key: str,
    tmp_path: Path,
) -> None:
    batch = add_jobs(1)
    worker.turn([StepKind.SUBMIT])
    worker.execute("UPDATE wanflow.queue SET execute_after = now() + interval '1 hour'")
    task = worker.column("task")[0]
    worker.execute("UPDATE wanflow.job SET task = NULL")
    callbacks.notify(task)
    worker.execute("UPDATE wanflow.job SET task = %s", task)
    client = AsyncClient(api_key, server.base_url)
    with running(Worker(client, queue, spool=tmp_path / "spool")):
        assert batch.wait().complete


def test_an_early_callback_is_kept_for_a_day(
    callbacks: QueueCallbacks, worker: ManualWorker
) -> None:
    callbacks.notify("old")
    worker.execute("UPDATE wanflow.early_callback SET at = now() - interval '25 hours'")
    callbacks.notify("new")
    assert early(worker) == ["new"]


def test_a_callback_of_a_job_that_has_ended_is_not_kept(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, callbacks: QueueCallbacks
) -> None:
    add_jobs(1)
    worker.drain()
    callbacks.notify(*worker.column("task"))
    assert early(worker) == []


def test_an_unknown_task_changes_nothing(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, callbacks: QueueCallbacks
) -> None:
    add_jobs(1)
    before = worker.execute("SELECT * FROM wanflow.queue")
    callbacks.notify("task-unified-1-none")
    assert worker.execute("SELECT * FROM wanflow.queue") == before


def test_an_event_is_new_for_one_of_several_receivers(queue: str) -> None:
    stores = [QueueCallbacks(queue) for _ in range(4)]
    assert all(isinstance(one, Store) for one in stores)
    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(QueueCallbacks.add, stores, repeat("key")))
    assert sorted(added) == [False, False, False, True]
    assert all(one.seen("key") for one in stores)
    stores[0].remove("key")
    assert not stores[1].seen("key")
    for one in stores:
        one.close()


def test_keys_are_kept_for_eight_days(callbacks: QueueCallbacks, worker: ManualWorker) -> None:
    callbacks.add("old")
    worker.execute("UPDATE wanflow.callback SET at = now() - interval '9 days'")
    callbacks.add("new")
    assert worker.execute("SELECT key FROM wanflow.callback") == [("new",)]
