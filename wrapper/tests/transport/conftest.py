"""Every law of the wire holds for each colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.client.clients import RUNNERS

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=sorted(RUNNERS))
def colour(request: pytest.FixtureRequest) -> Iterator[Any]:
    """One colour after the other."""
    with RUNNERS[request.param]() as colour:
        yield colour


@pytest.fixture
def aiohttp() -> Iterator[Any]:
    """The colour that goes over aiohttp, alone."""
    with RUNNERS["aiohttp"]() as colour:
        yield colour
