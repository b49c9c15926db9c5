"""What the product's tests share: one mock for the session, a key for every test."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def mock() -> Iterator[MockServer]:
    """A mock that lets any key in and ends a task at its second query."""
    with MockServer(polls=2) as server:
        yield server


@pytest.fixture
def api_key() -> str:
    """A key that nobody else uses: an account of the test's own."""
    return f"test-{uuid4().hex}"
