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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the faults of the async clients to the slow tests: all run the same flows."""
    for item in items:
        case = getattr(item, "callspec", None)
        given = {} if case is None else case.params
        if {"flow", "runner"} <= given.keys() and given["fault"] and given["runner"] != "sync":
            item.add_marker("slow")
