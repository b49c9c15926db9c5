"""Jobs that cost nothing: each is sent, and none halts its batch as one of unknown price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from wanflow._core.snapshot import Snapshot, TaskFailure
from wanflow.queue.engine import StepKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.queue.manual_worker import ManualWorker
    from wanflow.queue.handle import QueuedBatch

FREE = {"credits_used": 0}


def run_next(worker: ManualWorker, accepted: dict[str, Any], ended: Snapshot) -> None:
    """Submit a job that the API accepts with some usage, and poll it to its end."""
    worker.make_due()
    (work,) = worker.take([StepKind.SUBMIT], limit=1)
    recorder = worker.intend(work)
    task = Snapshot(f"task-unified-1-{work.id}", "pending", usage=accepted)
    worker.write(lambda: recorder.record_accepted(work.key, task, hold=False))
    worker.make_due()
    (poll,) = worker.take([StepKind.POLL])
    worker.write(lambda: worker.recorder(poll).record_done("", ended))


@pytest.mark.parametrize(
    ("accepted", "usage", "failure"),
    [
        (FREE, FREE, None),
        (FREE, {}, None),
        ({}, FREE, None),
        ({"credits_reserved": 0}, {}, None),
        (FREE, FREE, TaskFailure("service_error", "no")),
        ({}, FREE, TaskFailure("service_error", "no")),
    ],
)
def test_do_not_halt_their_batch(
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    accepted: dict[str, Any],
    usage: dict[str, Any],
    failure: TaskFailure | None,
) -> None:
    add_jobs(3, max_credits=5)
    status = "failed" if failure else "completed"
    links = () if failure else ("https://example.com/1.png",)
    ended = Snapshot("task", status, urls=links, usage=usage, failure=failure)
    for _ in range(3):
        run_next(worker, accepted, ended)
    assert worker.execute("SELECT halted, reserved, unpriced FROM wanflow.batch") == [
        (None, 0.0, None)
    ]
    assert "planned" not in worker.states()


def test_make_no_price_of_the_others(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker
) -> None:
    """The next one is of unknown price again: one is sent at a time."""
    add_jobs(3, max_credits=5)
    links = ("https://example.com/1.png",)
    run_next(worker, FREE, Snapshot("task", "completed", urls=links, usage=FREE))
    worker.make_due()
    first, second = worker.take([StepKind.SUBMIT])
    worker.intend(first)
    worker.run([second])
    assert worker.states() == {"completed": 1, "intent": 1, "planned": 1}
    assert worker.execute("SELECT halted FROM wanflow.batch") == [(None,)]
