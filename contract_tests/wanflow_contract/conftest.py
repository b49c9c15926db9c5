"""The target of the laws, opened once for a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis.errors import Flaky

from wanflow_contract.checks.check import NOTED
from wanflow_contract.support.budget import ROOMY, PurseEmpty
from wanflow_contract.support.findings import breaches
from wanflow_contract.support.target_options import Aim, AimMissing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow_contract.support.api_under_test import Target


# What finds most in the least time comes first; clients, which are slow to open, come last.
_QUICKLY = (
    *("auth", "errors", "billing", "idempotency", "semantics", "http", "json_forms", "lifecycle"),
    *("files", "callbacks"),
)
# What finds most for the least money comes first: a small purse sees whole lives, and files.
_CHEAPLY = (
    *("auth", "lifecycle", "files", "http", "idempotency", "billing", "json_forms", "semantics"),
    "callbacks",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the laws into the order in which they are to be tried; other tests stay as they are."""
    here = Path(__file__).parent
    limit = config.getoption("--spend-limit")
    order = _CHEAPLY if limit is not None and limit < ROOMY else _QUICKLY
    ours = [item for item in items if item.path.parent == here]
    rest = iter(sorted(ours, key=lambda item: _place(item, order)))
    items[:] = [next(rest) if item.path.parent == here else item for item in items]
    for item in ours:
        if _is_live(item):
            item.add_marker(pytest.mark.live)


def _place(item: pytest.Item, order: tuple[str, ...]) -> int:
    name = item.path.stem.removeprefix("test_")
    by_client = "colour" in getattr(item, "fixturenames", ())
    return order.index(name) if name in order and not by_client else len(order)


def _is_live(item: pytest.Item) -> bool:
    """Tell whether a test asks the server under test, and needs nothing but its published API."""
    asks = {"target", "callback_target"} & set(getattr(item, "fixturenames", ()))
    return bool(asks) and item.get_closest_marker("controls") is None


@pytest.fixture(scope="session")
def aim(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Aim:
    """What the run was told of its target; with -n, what its processes have in common."""
    option = pytestconfig.getoption
    worker = getattr(pytestconfig, "workerinput", None)
    shared = tmp_path_factory.getbasetemp().parent / "till.db"
    return Aim(
        base_url=option("--base-url"),
        api_key=option("--api-key"),
        api_key2=option("--api-key2"),
        spend_limit=option("--spend-limit"),
        rate=option("--rate"),
        dry=option("--dry-run"),
        idempotent=option("--known-idempotent"),
        till=shared if worker else None,
        processes=worker["workercount"] if worker else 1,
    )


@pytest.fixture(scope="session")
def target(aim: Aim, pytestconfig: pytest.Config) -> Iterator[Target]:
    """The server under test."""
    reporting = pytestconfig.pluginmanager.get_plugin("contract-reporting")
    try:
        with aim.target() as found:
            reporting.target = found
            yield found
            reporting.tally.take(found)
    except AimMissing as error:
        pytest.exit(str(error), returncode=4)


@pytest.fixture(scope="session")
def callback_target(aim: Aim, target: Target) -> Iterator[Target]:
    """The server under test; a bundled mock of its own, allowed to call back to this machine."""
    if not aim.bundled:
        yield target
        return
    with aim.target(loopback_callbacks=True) as found:
        yield found


@pytest.fixture(autouse=True)
def _controls(request: pytest.FixtureRequest) -> None:
    """Skip what takes a mock's controls where there are none, and say so."""
    needed = request.node.get_closest_marker("controls") is not None
    if needed and not request.getfixturevalue("target").steered:
        pytest.skip("an ordinary client can't provoke this; it takes the mock's controls")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Skip what would cost more than may be spent, and tell a breach that wasn't repeated."""
    NOTED.clear()
    target = item.config.pluginmanager.get_plugin("contract-reporting").target
    refused = target.purse.refused if target else 0
    try:
        return (yield)
    except PurseEmpty as error:
        pytest.skip(f"not sent: {error}")
    except Flaky as error:
        if NOTED and not breaches(error):
            raise NOTED[-1] from error
        if target and target.purse.refused > refused and not breaches(error):
            pytest.skip("not sent: the credits came to their end")
        raise
