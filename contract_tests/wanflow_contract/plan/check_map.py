"""Which tests evaluate each check, for each kind of model, by a run against the bundled mock."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from wanflow_contract.checks.documented_responses import packaged_contract

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wanflow_contract.report.result import RanTest

MAP = Path(__file__).with_suffix(".json")
"""Written by `python -m self_tests.check_map`."""
ELSEWHERE = "elsewhere"
"""The kind of model of the tests that only another server than the mock lets evaluate a check."""
CheckMap = dict[str, dict[str, list[str]]]
"""The functions of the tests that evaluate each check, by the kind of model."""


@cache
def check_map() -> CheckMap:
    """Return the map."""
    found: CheckMap = json.loads(MAP.read_text("utf-8"))
    return found


@cache
def functions_of(check: str) -> frozenset[str]:
    """Return the functions of the tests that evaluate a check."""
    return frozenset(one for some in check_map().get(check, {}).values() for one in some)


def map_of(tests: Iterable[RanTest]) -> CheckMap:
    """Return which functions evaluated each check in a run without findings."""
    found = defaultdict[str, defaultdict[str, set[str]]](lambda: defaultdict(set))
    for test in tests:
        for check in test.checks if test.outcome == "passed" else ():
            found[check][subject_of(test.name)].add(function_of(test.name))
    return {
        check: {subject: sorted(some) for subject, some in sorted(one.items())}
        for check, one in sorted(found.items())
    }


def function_of(name: str) -> str:
    """Return the function of a test."""
    return name.partition("[")[0]


def subject_of(name: str) -> str:
    """Return the kind of the model that a test is for, empty if it is for none or several."""
    parameters = name.partition("[")[2]
    kinds = {kind for word, kind in _subjects() if word in parameters}
    return kinds.pop() if len(kinds) == 1 else ""


@cache
def _subjects() -> list[tuple[str, str]]:
    """Return each model and each operation of one kind of model, with the kind."""
    models = packaged_contract().catalog.models.values()
    by_operation = defaultdict[str, set[str]](set)
    for one in models:
        by_operation[one.operation_id].add(one.kind)
    single = [(name, *kinds) for name, kinds in by_operation.items() if len(kinds) == 1]
    return [*((one.name, one.kind) for one in models), *((name, kind) for name, kind in single)]
