"""`make test` runs half of the clients of each test, and `make client-test` the others."""

from __future__ import annotations

import pytest

from tests.client.clients import RUNNERS
from tests.other_clients import is_left_out

NAMES = [f"wrapper/tests/test_{number}.py::test_one[{number}-RUNNER]" for number in range(400)]


@pytest.mark.parametrize("runners", [set(RUNNERS), set(RUNNERS) - {"aiohttp"}], ids=len)
def test_each_test_runs_with_some_clients_in_either_target(runners: set[str]) -> None:
    """The name of a test decides for its clients together: adjacent ones are not both left out."""
    for name in NAMES:
        left = {one for one in runners if is_left_out(name.replace("RUNNER", one), one)}
        assert set() < left < runners


@pytest.mark.parametrize("runner", sorted(RUNNERS))
def test_each_client_runs_half_of_the_tests(runner: str) -> None:
    """None of them is left to the other target in all tests."""
    left = [name for name in NAMES if is_left_out(name.replace("RUNNER", runner), runner)]
    assert 0.4 * len(NAMES) < len(left) < 0.6 * len(NAMES)
