"""The target of the laws, opened once for a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from contract_tests.laws.aim import Aim, AimMissing
from contract_tests.laws.purse import PurseEmpty

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract_tests.laws.target import Target


@pytest.fixture(scope="session")
def aim(pytestconfig: pytest.Config) -> Aim:
    """What the run was told of its target."""
    option = pytestconfig.getoption
    return Aim(
        base_url=option("--base-url"),
        api_key=option("--api-key"),
        api_key2=option("--api-key2"),
        spend_limit=option("--spend-limit"),
        rate=option("--rate"),
        dry=option("--dry-run"),
        idempotent=option("--known-idempotent"),
    )


@pytest.fixture(scope="session")
def target(aim: Aim) -> Iterator[Target]:
    """The server under test."""
    try:
        with aim.target() as found:
            yield found
    except AimMissing as error:
        pytest.exit(str(error), returncode=4)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Skip what would cost more than may be spent, and say so."""
    try:
        return (yield)
    except PurseEmpty as error:
        pytest.skip(f"not sent: {error}")
