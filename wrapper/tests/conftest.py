"""Fixtures of all tests: one mock server for the session, and an API key for each test."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import settings

from tests.client.clients import RUNNERS
from tests.examples import ALL, examples
from tests.ledgers import (
    generate_locations,
    location,  # noqa: F401 - a fixture
    path,  # noqa: F401 - a fixture
)
from tests.other_clients import is_left_out
from tests.postgres import (
    mark_tests,
    own_postgres_server,  # noqa: F401 - a fixture
    postgres_server,  # noqa: F401 - a fixture
    postgres_url,  # noqa: F401 - a fixture
)
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

# `make test` tries the same examples each time; `make slow` tries new ones.
settings.register_profile(
    "tests", settings.get_profile("wanflow"), max_examples=examples(100), derandomize=not ALL
)
settings.load_profile("tests")

pytest_generate_tests = generate_locations


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without garbage collection, which takes 40% of the time for ten thousand tests.

    What was collected stays until the end, so later garbage collections needn't go through it.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


# Before pytest selects tests by their marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need PostgreSQL, and those with clients that other tests have, too."""
    mark_tests(items)
    for item in items:
        case = getattr(item, "callspec", None)
        runner = case.params.get("runner") if case else None
        if runner in RUNNERS and is_left_out(item.nodeid, runner):
            item.add_marker("clients")


@pytest.fixture(scope="session")
def mock() -> Iterator[MockServer]:
    """A mock server that accepts any key and completes a task at its second poll."""
    with MockServer(polls=2) as server:
        yield server


@pytest.fixture
def api_key() -> str:
    """A key of an account that only this test uses."""
    return f"test-{uuid4().hex}"
