"""For any project's tests: the fixture `wanflow_mock`, a mock gateway of the test's own.

It listens on a free loopback port and lives for one test. A marker sets its options:

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
    """Make the marker known."""
    config.addinivalue_line(
        "markers", "wanflow_mock(**options): options of the test's wanflow mock server"
    )


@pytest.fixture
def wanflow_mock(request: pytest.FixtureRequest) -> Iterator[MockServer]:
    """Start a mock gateway: base_url, api_key, clock, faults, journal and accounts are its own."""
    from wanflow.mock.server import MockServer  # noqa: PLC0415 - only tests that use it pay for it

    options: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("wanflow_mock"))):
        if mark.args:
            _refuse(f"options are given by name, such as polls=1; not {mark.args[0]!r}")
        options |= mark.kwargs
    try:
        server = MockServer(**options)
    except (TypeError, ValueError) as error:
        _refuse(str(error))
    with server:
        yield server


def _refuse(why: str) -> NoReturn:
    """End the test with one line; where the fixture is made is of no interest."""
    pytest.fail(f"@pytest.mark.wanflow_mock: {why}", pytrace=False)
