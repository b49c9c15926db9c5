"""The connection to the database is cut at each message of a submission."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.queue.manual_worker import ManualWorker
from wanflow._core.effects import TimePoint
from wanflow.queue.engine import StepKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.ledger.cutting_proxy import Cut, CuttingProxy
    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch

FEWEST = 12
"""Messages of a submission at least: two transactions, and what begins a connection."""
NOW = TimePoint(1.8e9, 1.8e9)
RESERVED = """
    SELECT batch.reserved = sum(job.credits) AND batch.unpriced IS NULL
    FROM wanflow.batch AS batch JOIN wanflow.job AS job ON job.batch = batch.id
    GROUP BY batch.id ORDER BY batch.id DESC LIMIT 1
"""
pytestmark = pytest.mark.slow  # there are twenty messages, each with a batch of its own


@pytest.mark.parametrize("limit", [None, 1000.0], ids=["no limit", "a credit limit"])
@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_job_is_charged_once_wherever_the_connection_is_cut(
    add_jobs: Callable[..., QueuedBatch],
    new_worker: Callable[..., ManualWorker],
    proxied_queue: str,
    proxy: CuttingProxy,
    server: MockServer,
    api_key: str,
    account: Account,
    tmp_path: Path,
    cut: Cut,
    limit: float | None,
) -> None:
    """Before the server gets the message, or after it has answered; another worker goes on."""
    messages = 0
    while True:
        add_jobs(1, f"a cat {messages}", name=f"run{messages}", max_credits=limit)
        one = ManualWorker(proxied_queue, server, api_key, tmp_path)
        works = one.take([StepKind.SUBMIT])
        seen = list[bytes]()

        def decide(message: bytes, left: int = messages, seen: list[bytes] = seen) -> Any:
            seen.append(message)
            return cut if len(seen) == left + 1 else None

        proxy.cut = decide
        one.run(works)
        proxy.cut = lambda _: None
        other = new_worker()
        other.spool.replay(other.writes, NOW)
        other.die()
        other.sweep()
        other.drain()
        assert other.states() == {"saved": messages + 1}, seen
        assert account.submitted == messages + 1, seen
        assert limit is None or other.execute(RESERVED) == [(True,)], seen
        one.close()
        if len(seen) <= messages:
            break
        messages += 1
    assert messages >= FEWEST
