"""The queue can be emptied: the sweeper fills it from the ledger, and nothing is paid twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow.queue import sweeper
from wanflow.queue.engine import StepKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch


def test_every_open_job_has_a_row_again_after_the_queue_was_emptied(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, account: Account
) -> None:
    add_jobs(8)
    worker.turn([StepKind.SUBMIT], limit=5)
    worker.turn([StepKind.POLL], limit=3)
    worker.turn([StepKind.POLL, StepKind.DOWNLOAD], limit=2)
    open_jobs = sum(
        count for state, count in worker.states().items() if state not in {"saved", "failed"}
    )
    worker.execute("TRUNCATE wanflow.queue")
    assert worker.sweep() == open_jobs == worker.rows()
    assert worker.sweep() == 0
    worker.drain()
    assert worker.states() == {"saved": 8}
    assert account.submitted == 8


def test_an_emptied_queue_in_the_middle_of_every_step_pays_nothing_twice(
    add_jobs: Callable[..., QueuedBatch],
    new_worker: Callable[..., ManualWorker],
    account: Account,
) -> None:
    add_jobs(3)
    one, other = new_worker(), new_worker()
    for _ in range(8):
        one.make_due()
        works = one.take()
        other.execute("TRUNCATE wanflow.queue")
        other.sweep()
        other.turn()
        one.run(works)
    other.sweep()
    other.drain()
    assert other.states() == {"saved": 3}
    assert account.submitted == 3


def test_the_sweeper_runs_well_within_a_minute() -> None:
    assert sweeper.SWEEP_INTERVAL <= 30
