"""Run the tests of events with the sync client and with the async clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.client.clients import RUNNERS

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=sorted(RUNNERS))
def runner(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return each of the runners in turn."""
    with RUNNERS[request.param]() as runner:
        yield runner
