"""A mock with books to hold the ledger against, and how often a test is to kill."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.crash.worker import Orders
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUNDS_VARIABLE = "WANFLOW_CRASH_ROUNDS"
_FEW = 6
_KINDS = 2


@pytest.fixture(scope="session")
def rounds() -> int:
    """How often to kill at random on each kind of server: a few times, or as `make crash` says."""
    return int(os.environ.get(ROUNDS_VARIABLE, _FEW)) // _KINDS


@pytest.fixture(scope="session")
def picture() -> str:
    """A model that makes a picture of words alone."""
    models = packaged_catalog().models.values()
    return next(
        one.name for one in models if one.kind == "image" and "image_urls" not in one.parameters
    )


@pytest.fixture
def honoured(request: pytest.FixtureRequest) -> bool:
    """Whether the server honours idempotency keys; not unless a test says so."""
    return bool(getattr(request, "param", False))


@pytest.fixture
def server(honoured: bool) -> Iterator[MockServer]:
    with MockServer(polls=1, idempotency=honoured) as mock:
        yield mock


@pytest.fixture
def orders(
    server: MockServer, api_key: str, picture: str, honoured: bool, tmp_path: Path
) -> Orders:
    """Orders for no jobs yet, in a ledger and a folder of the test's own."""
    ledger, out = str(tmp_path / "ledger.db"), str(tmp_path / "out")
    return Orders(server.base_url, api_key, ledger, out, picture, 0, honoured=honoured)
