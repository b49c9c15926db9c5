"""Select the tests that evaluate some checks, for a run of these checks only."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import pytest

from wanflow_contract.checks.check import REGISTRY
from wanflow_contract.plan.check_map import function_of, functions_of

if TYPE_CHECKING:
    from collections.abc import Collection


def validate_names(only: Collection[str]) -> None:
    """Validate the names of checks.

    Raises:
        pytest.UsageError: there is no such check.
    """
    for name in only:
        if name not in REGISTRY:
            close = difflib.get_close_matches(name, REGISTRY, 3, 0.5)
            hint = (
                f"did you mean {' or '.join(close)}?" if close else "see wanflow contract explain"
            )
            raise pytest.UsageError(f"--only: there is no check {name!r}; {hint}")


def select_tests(config: pytest.Config, items: list[pytest.Item], only: Collection[str]) -> None:
    """Deselect the tests that evaluate none of the checks."""
    wanted = frozenset[str]().union(*map(functions_of, only))
    others = [one for one in items if function_of(one.nodeid.partition("::")[2]) not in wanted]
    config.hook.pytest_deselected(items=others)
    items[:] = [one for one in items if one not in set(others)]
