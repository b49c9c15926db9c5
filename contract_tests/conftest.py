"""What every suite shares: one mock for the session, and a key of its own for every test."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator

settings.register_profile(
    "wanflow", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("wanflow")


@pytest.fixture(scope="session")
def mock() -> Iterator[MockServer]:
    """A mock that lets any key in and ends a task at its second query."""
    with MockServer(looks=2) as server:
        yield server


@pytest.fixture
def api_key() -> str:
    """A key that nobody else uses: an account of the test's own."""
    return f"test-{uuid4().hex}"
