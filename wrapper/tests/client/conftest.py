"""Every test of a client runs with the sync and the async one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.client.clients import RUNNERS

if TYPE_CHECKING:
    from collections.abc import Iterator


# Not "aiohttp": with a transport of the test's own every client uses httpx.
@pytest.fixture(params=["asyncio", "sync", "trio"])
def runner(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The sync client, and the async one under asyncio and trio."""
    with RUNNERS[request.param]() as runner:
        yield runner
