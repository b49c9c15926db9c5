"""Fixtures of all tests: one mock server for the session, and an API key for each test."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import settings

from tests.examples import examples
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

settings.register_profile("fewer", settings.get_profile("wanflow"), max_examples=examples(100))
settings.load_profile("fewer")


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


@pytest.fixture(scope="session")
def mock() -> Iterator[MockServer]:
    """A mock server that accepts any key and completes a task at its second poll."""
    with MockServer(polls=2) as server:
        yield server


@pytest.fixture
def api_key() -> str:
    """A key of an account that only this test uses."""
    return f"test-{uuid4().hex}"
