"""Which tests evaluate a check, for a run of some checks only."""

from __future__ import annotations

import difflib
import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from wanflow_contract.checks.check import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Collection

TABLE = "tests_by_check.json"


def select_tests(config: pytest.Config, items: list[pytest.Item], only: Collection[str]) -> None:
    """Deselect the tests that evaluate none of the checks; unknown tests are kept.

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
    others = [item for item in items if not any(_evaluates(item, name) for name in only)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in set(others)]


def _evaluates(item: pytest.Item, check: str) -> bool:
    """Return whether a test evaluates a check, or may do so as far as is known."""
    name = function_name(item.nodeid)
    listed = _tests_by_check().get(check)
    return listed is None or name in listed or name not in _known_tests()


def function_name(nodeid: str) -> str:
    """Return the name of a test's function, without its file and parameters."""
    return nodeid.rpartition("/")[2].partition("::")[2].partition("[")[0]


@cache
def _tests_by_check() -> dict[str, frozenset[str]]:
    """Return the tests that evaluated each check in a run against the bundled mock."""
    text = files("wanflow_contract.plan").joinpath(TABLE).read_text("utf-8")
    return {check: frozenset(tests) for check, tests in json.loads(text).items()}


@cache
def _known_tests() -> frozenset[str]:
    return frozenset().union(*_tests_by_check().values())
