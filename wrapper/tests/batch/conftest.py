"""Batches by sync and async clients, with a ledger each, on a mock that completes tasks quickly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from wanflow import AsyncClient, Client
from wanflow.catalog.catalog import packaged_catalog
from wanflow.ledger import Ledger
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from wanflow.batch import Report
    from wanflow.mock.gateway.accounts import Account


class Doer:
    """Does batches with a client that blocks."""

    def __init__(self, server: MockServer, api_key: str, ledger: Ledger, out: Path) -> None:
        self._options = {"api_key": api_key, "base_url": server.base_url, "ledger": ledger}
        self._out = out

    def __call__(self, jobs: Iterable[dict[str, Any]], **options: Any) -> Report:
        """Do a batch, into one folder unless `out` says another."""
        with Client(**self._options) as client:
            return client.batch(jobs, options.pop("out", self._out), **options)


class AsyncDoer(Doer):
    """The same, with an async client."""

    def __call__(self, jobs: Iterable[dict[str, Any]], **options: Any) -> Report:
        """Do a batch."""

        async def run() -> Report:
            async with AsyncClient(**self._options) as client:
                return await client.batch(jobs, options.pop("out", self._out), **options)

        return anyio.run(run)


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    """A mock that honours no keys: whatever is sent twice is charged twice."""
    with MockServer(polls=1, idempotency=False) as mock:
        yield mock


@pytest.fixture
def account(server: MockServer, api_key: str) -> Account:
    """The server's books on this test."""
    return server.accounts.for_key(api_key)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture(params=[Doer, AsyncDoer], ids=["sync", "async"])
def do(
    request: pytest.FixtureRequest,
    server: MockServer,
    api_key: str,
    ledger: Ledger,
    tmp_path: Path,
) -> Doer:
    """Do a batch with a sync or an async client."""
    made: Doer = request.param(server, api_key, ledger, tmp_path / "out")
    return made


@pytest.fixture(scope="session")
def model() -> str:
    """A model that makes a picture of words alone."""
    models = packaged_catalog().models.values()
    return next(
        one.name for one in models if one.kind == "image" and "image_urls" not in one.parameters
    )
