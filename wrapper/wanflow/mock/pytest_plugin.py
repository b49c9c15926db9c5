"""The pytest fixture `wanflow_mock`: a mock server for one test.

It listens on a free loopback port. A marker sets its options:

    @pytest.mark.wanflow_mock(seconds=60, clock=VirtualClock())
    def test_waiting(wanflow_mock): ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.mock.server import MockServer


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", "wanflow_mock(**options): options of the test's wanflow mock server"
    )


@pytest.fixture
def wanflow_mock(request: pytest.FixtureRequest) -> Iterator[MockServer]:
    """Start a mock server with its own base_url, api_key, clock, faults, journal and accounts."""
    from wanflow.mock.server import MockServer  # noqa: PLC0415 - only tests that use it pay for it

    options: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("wanflow_mock"))):
        if mark.args:
            _fail(f"give options by name, such as polls=1, not {mark.args[0]!r}")
        options |= mark.kwargs
    try:
        server = MockServer(**options)
    except (TypeError, ValueError) as error:
        _fail(str(error))
    with server:
        yield server


def _fail(why: str) -> NoReturn:
    """Fail the test with one line and no traceback."""
    pytest.fail(f"@pytest.mark.wanflow_mock: {why}", pytrace=False)
