"""Every law of a face holds for each colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.client.clients import COLOURS

if TYPE_CHECKING:
    from collections.abc import Iterator


# Not "aiohttp": with the transports of these tests every client goes over httpx.
@pytest.fixture(params=["asyncio", "sync", "trio"])
def colour(request: pytest.FixtureRequest) -> Iterator[Any]:
    """One colour after the other."""
    with COLOURS[request.param]() as colour:
        yield colour
