"""The credit limit of a batch holds over all of its runs, whatever is sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.client.clients import RUNNERS
from wanflow.catalog.catalog import packaged_catalog
from wanflow.ledger import Ledger
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL = next(one for one in packaged_catalog().models.values() if one.kind == "image")


@pytest.fixture(params=["sync", "asyncio"])
def runner(request: pytest.FixtureRequest) -> Iterator[Any]:
    with RUNNERS[request.param]() as runner:
        yield runner


def jobs(count: int) -> list[dict[str, Any]]:
    example = {**MODEL.example, "model": MODEL.name}
    return [{**example, "prompt": f"picture {number}"} for number in range(count)]


def posts(server: MockServer) -> int:
    return sum(one.method == "POST" for one in server.journal)


def test_submissions_that_are_sent_again_count_once_more_each(runner: Any, tmp_path: Path) -> None:
    """On a server that doesn't honour the keys, each may be charged; the report counts them."""
    with MockServer(polls=0, idempotency=False) as server, Ledger(tmp_path / "l.db") as ledger:
        client = runner.client(
            api_key=server.api_key, base_url=server.base_url, ledger=ledger, retry_timeout=0
        )
        batch, out = jobs(4), tmp_path / "out"
        first = runner.do(client.batch, batch[:1], out, max_credits=1000)
        price = first.credits_spent
        server.faults.add("lost-response")
        for _ in range(4):
            report = runner.do(
                client.batch, batch, out, max_credits=5 * price, resubmit_uncertain=True
            )
        account = server.accounts.for_key(server.api_key)
        assert account.spent + account.reserved == pytest.approx(5 * price)
        assert report.credits_spent == pytest.approx(5 * price)
        assert posts(server) == 5


def test_a_price_of_the_ledger_that_is_above_the_limit_is_not_tried(
    runner: Any, tmp_path: Path
) -> None:
    """Nothing is sent if the first job alone is known to cost more."""
    with MockServer(polls=0) as server, Ledger(tmp_path / "l.db") as ledger:
        client = runner.client(api_key=server.api_key, base_url=server.base_url, ledger=ledger)
        (request,) = jobs(1)
        runner.do(client.submit, request)
        price = ledger.jobs()[0].credits
        assert price is not None
        report = runner.do(client.batch, jobs(1), tmp_path / "a", max_credits=price - 0.01)
        assert (posts(server), report.credits_spent) == (1, 0)
        runner.do(client.batch, jobs(1), tmp_path / "b", max_credits=price)
        assert posts(server) == 2
