"""What a batch of a queue cost is said in the same words as that of any other batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tests.queue.test_steps import SUBMIT
from wanflow.cli import main
from wanflow.queue import admin, user_decisions
from wanflow.queue.engine import StepKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch

    Fault = Callable[..., AbstractContextManager[None]]


def status(queue: str) -> str:
    return CliRunner(env={"WANFLOW_QUEUE": queue}).invoke(main, ["queue", "status"]).stdout


def test_a_total_with_submissions_that_perhaps_cost_nothing_says_at_most(
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    account: Account,
    fault: Fault,
    queue: str,
) -> None:
    """While one is uncertain, after it was sent again, and after it was discarded."""
    batch = add_jobs(1, max_credits=1000)
    worker.drain()
    price = account.spent
    assert f"; {price:g} of 1000 credits" in status(queue)
    assert f"; {price:g} credits" in batch.wait().summary
    batch = add_jobs(3, max_credits=1000)
    with fault("lost-response", operation=SUBMIT):
        worker.turn([StepKind.SUBMIT])
    expected = f"at most {3 * price:g}"
    assert f"; {expected} of 1000 credits" in status(queue)
    report = batch.wait()
    assert f"; {expected} credits" in report.summary
    assert report.to_dict()["credits_at_most"]
    first, second = worker.column("id")[1:]
    user_decisions.discard(worker.database, first)
    assert admin.retry(worker.database, worker.engine, jobs=[second], uncertain=True) == 1
    worker.drain()
    assert worker.states() == {"saved": 2, "discarded": 1}
    # One more submission, each of which was charged by this server.
    assert account.spent + account.reserved == pytest.approx(4 * price)
    expected = f"at most {4 * price:g}"
    assert f"; {expected} of 1000 credits" in status(queue)
    assert f"; {expected} credits" in batch.wait().summary


def test_a_total_of_nothing_says_so_even_if_a_price_is_unknown(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, fault: Fault, queue: str
) -> None:
    add_jobs(1)
    with fault("lost-response", operation=SUBMIT):
        worker.turn()
    assert "run1 1 uncertain; 0 credits" in status(queue)
