"""A ledger in its own directory, and sync and async clients that record in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.any_model import model_name
from wanflow import AsyncClient, Client
from wanflow.ledger import Ledger
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class SyncRunner:
    """Calls functions with a sync client."""

    def __init__(self, base_url: str, api_key: str, ledger: Ledger) -> None:
        self._options = {"api_key": api_key, "base_url": base_url, "ledger": ledger}

    def __call__(self, work: Callable[[Any], Any], **options: Any) -> Any:
        """Call a function with a client, and return its value."""
        with Client(**self._options | options) as client:
            return work(client)


class AsyncRunner(SyncRunner):
    """Calls functions with an async client."""

    def __call__(self, work: Callable[[Any], Any], **options: Any) -> Any:
        """Call a function with a client, and return its value."""

        async def run() -> Any:
            async with AsyncClient(**self._options | options) as client:
                return await work(client)

        return anyio.run(run)


@pytest.fixture(scope="package")
def mock() -> Iterator[MockServer]:
    """A mock whose tasks end at their first poll."""
    with MockServer(polls=1) as server:
        yield server


@pytest.fixture
def ledger(location: Path | str) -> Iterator[Ledger]:
    with Ledger(location) as opened:
        yield opened


@pytest.fixture(params=[SyncRunner, AsyncRunner], ids=["sync", "async"])
def do(
    request: pytest.FixtureRequest, mock: MockServer, api_key: str, ledger: Ledger
) -> SyncRunner:
    """Call functions with a sync or async client that records in the ledger."""
    made: SyncRunner = request.param(mock.base_url, api_key, ledger)
    return made


@pytest.fixture(scope="session")
def model() -> str:
    """A model that makes an image from text."""
    return model_name("image")


@pytest.fixture
def submitted(mock: MockServer, api_key: str) -> Callable[[], int]:
    """Return how many tasks the account of this test has submitted."""
    return lambda: mock.accounts.for_key(api_key).submitted
