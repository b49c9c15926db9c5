"""Run batches with sync and async clients and a ledger, on a mock that completes tasks quickly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.any_model import model_name
from wanflow import AsyncClient, Client
from wanflow.ledger import Ledger
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from wanflow.batch import Report
    from wanflow.mock.gateway.accounts import Account


class BatchRunner:
    """Runs batches with a sync client."""

    def __init__(self, server: MockServer, api_key: str, ledger: Ledger, out: Path) -> None:
        self._options = {"api_key": api_key, "base_url": server.base_url, "ledger": ledger}
        self._out = out

    def __call__(self, jobs: Iterable[dict[str, Any]], **options: Any) -> Report:
        """Run a batch, into the same directory unless `out` is given."""
        with Client(**self._options) as client:
            return client.batch(jobs, options.pop("out", self._out), **options)


class AsyncBatchRunner(BatchRunner):
    """Runs batches with an async client."""

    def __call__(self, jobs: Iterable[dict[str, Any]], **options: Any) -> Report:
        """Run a batch."""

        async def run() -> Report:
            async with AsyncClient(**self._options) as client:
                return await client.batch(jobs, options.pop("out", self._out), **options)

        return anyio.run(run)


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    """A mock that ignores idempotency keys, so it charges twice for what is sent twice."""
    with MockServer(polls=1, idempotency=False) as mock:
        yield mock


@pytest.fixture
def account(server: MockServer, api_key: str) -> Account:
    """The test's account on the server."""
    return server.accounts.for_key(api_key)


@pytest.fixture
def ledger(location: Path | str) -> Iterator[Ledger]:
    with Ledger(location) as opened:
        yield opened


@pytest.fixture(params=[BatchRunner, AsyncBatchRunner], ids=["sync", "async"])
def run_batch(
    request: pytest.FixtureRequest,
    server: MockServer,
    api_key: str,
    ledger: Ledger,
    tmp_path: Path,
) -> BatchRunner:
    """Do a batch with a sync or an async client."""
    runner: BatchRunner = request.param(server, api_key, ledger, tmp_path / "out")
    return runner


@pytest.fixture(scope="session")
def model() -> str:
    """The name of a text-to-image model whose pictures may be small."""
    return model_name("image", "size")
