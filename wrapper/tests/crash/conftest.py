"""A mock to compare the ledger with, and how often a test kills."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.any_model import model_name
from tests.crash.worker import WorkerTask
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUNDS_VARIABLE = "WANFLOW_CRASH_ROUNDS"
_FEW = 6
_KINDS = 2


@pytest.fixture(scope="session")
def rounds() -> int:
    """The number of random kills per kind of server: a few, or as set by `make crash`."""
    return int(os.environ.get(ROUNDS_VARIABLE, _FEW)) // _KINDS


@pytest.fixture(scope="session")
def image_model() -> str:
    """A model that makes an image from text."""
    return model_name("image", "size")


@pytest.fixture
def honoured(request: pytest.FixtureRequest) -> bool:
    """Whether the server honours idempotency keys; False unless a test sets it."""
    return bool(getattr(request, "param", False))


@pytest.fixture
def server(honoured: bool) -> Iterator[MockServer]:
    with MockServer(polls=1, idempotency=honoured) as mock:
        yield mock


@pytest.fixture
def worker_task(
    server: MockServer,
    api_key: str,
    image_model: str,
    honoured: bool,
    location: Path | str,
    tmp_path: Path,
) -> WorkerTask:
    """A worker task without jobs, with its own ledger and directory."""
    ledger, out = str(location), str(tmp_path / "out")
    return WorkerTask(server.base_url, api_key, ledger, out, image_model, 0, honoured=honoured)
