"""A job whose record can't be read is parked with its reason; workers go on with the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wanflow.queue import admin
from wanflow.queue.engine import StepKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.queue.manual_worker import ManualWorker
    from wanflow.queue.handle import QueuedBatch


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("body = '{'", "its request is not valid JSON"),
        ("body = '[1]'", "its request is a JSON value of another kind"),
        ("body = repeat('[', 100000)", "it is nested too deeply"),
        ("links = '{'", "its links is not valid JSON"),
        ("state = 'newer'", "newer"),
    ],
)
def test_it_is_parked_and_the_others_are_run(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, change: str, reason: str
) -> None:
    add_jobs(3)
    first, *_ = worker.column("id")
    ((body,),) = worker.execute("SELECT body FROM wanflow.job WHERE id = %s", first)
    worker.execute(f"UPDATE wanflow.job SET {change} WHERE id = %s", first)
    worker.drain()
    assert worker.execute("SELECT state FROM wanflow.job WHERE id <> %s", first) == [
        ("saved",),
        ("saved",),
    ]
    parked = worker.column("parked")
    assert reason in parked[0]
    assert parked[1:] == [None, None]
    assert worker.metrics.value("jobs_parked") == 1
    assert worker.sweep() == 0
    # Once its cause is removed, it goes on.
    worker.execute(
        "UPDATE wanflow.job SET body = %s, links = NULL, state = 'planned' WHERE id = %s",
        body,
        first,
    )
    assert admin.retry(worker.database, worker.engine) == 1
    worker.drain()
    assert worker.states() == {"saved": 3}


def test_a_newer_step_of_it_is_not_parked(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker
) -> None:
    """An old row says nothing of the job."""
    add_jobs(1)
    worker.make_due()
    worker.execute("UPDATE wanflow.job SET body = '{', step = step + 1")
    assert worker.take([StepKind.SUBMIT]) == []
    assert worker.column("parked") == [None]
