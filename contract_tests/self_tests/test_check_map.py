"""The map of checks to tests: it is up to date, and `--only` selects by it alone."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen

import wanflow_contract
import wanflow_contract.checks.definitions
from self_tests.report_data import IMAGE
from wanflow_contract.checks.check import REGISTRY
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.plan.check_map import (
    check_map,
    function_of,
    functions_of,
    map_of,
    subject_of,
)
from wanflow_contract.plan.selection import select_tests, validate_names
from wanflow_contract.report.result import RanTest, read_result

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFINITIONS = wanflow_contract.checks.definitions.__name__
ROOT = Path(__file__).resolve().parents[2]
SUITE = Path(wanflow_contract.__file__).parent
MODEL = next(one for one in packaged_contract().catalog.models.values() if one.kind == "video")
RENEW = "renew the map: python -m self_tests.check_map"
SOURCES = [one.read_text("utf-8") for one in SUITE.glob("test_*.py")]
FUNCTIONS = {name for one in SOURCES for name in re.findall(r"^def (test_\w+)", one, re.MULTILINE)}
# They test what the suite takes from the documents, and send nothing.
WITHOUT_CHECK = {
    "test_each_field_has_valid_and_invalid_requests",
    "test_the_documents_state_what_is_charged",
    "test_the_spec_links_each_submission_to_the_task_query",
}


# They are required of responses only that the mock doesn't give.
CONDITIONAL = {
    ("test_a_completed_task_is_reported_once", "callback-end"),
    ("test_a_range_request_returns_that_part_of_the_file", "same-file"),
    ("test_each_task_of_the_run_ends_with_the_files_that_were_requested", "link-lifetime"),
}


def required(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each test of a module with the name of each check that it requires."""
    checks = {
        name.name: getattr(import_module(str(one.module)), name.name).name
        for one in tree.body
        if isinstance(one, ast.ImportFrom) and f"{one.module}".startswith(DEFINITIONS)
        for name in one.names
    }
    functions = {one.name: one for one in tree.body if isinstance(one, ast.FunctionDef)}
    for test in functions.keys() & FUNCTIONS:
        called, left = set[str](), {test}
        while left:
            called |= left
            names = {
                node.id
                for one in left
                for node in ast.walk(functions[one])
                if isinstance(node, ast.Name)
            }
            left = names & functions.keys() - called
        for one in called:
            for node in ast.walk(functions[one]):
                match node:
                    case ast.Attribute(ast.Name(name), "require") if name in checks:
                        yield test, checks[name]


@frozen
class Collected:
    """What stands for a collected test."""

    nodeid: str


def collected(*options: str) -> set[str]:
    """Return the functions of the tests that a run of the suite selects."""
    command = [sys.executable, "-m", "pytest", str(SUITE), "--collect-only", "-q"]
    more = ["-p", "no:cacheprovider", "-p", "wanflow_contract.plugin"]
    done = subprocess.run(
        [*command, *more, *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {function_of(one.partition("::")[2]) for one in done.stdout.splitlines() if "::" in one}


def selected(*only: str) -> set[str]:
    """Return which functions of all tests `--only` selects, with parameters of all kinds."""
    parameters = ["", f"[{MODEL.name}]", "[application/json-a/b]", "[a::b]"]
    items: list[Any] = [
        Collected(f"contract_tests/wanflow_contract/test_x.py::{name}{more}")
        for name in FUNCTIONS
        for more in parameters
    ]
    config: Any = SimpleNamespace(hook=SimpleNamespace(pytest_deselected=lambda items: None))
    select_tests(config, items, only)
    found = Counter(function_of(one.nodeid.partition("::")[2]) for one in items)
    assert set(found.values()) <= {len(parameters)}
    return set(found)


def test_the_map_has_each_test_and_each_check() -> None:
    """A test or a check that is new, renamed or deleted makes the map stale."""
    named = {one for some in check_map().values() for inner in some.values() for one in inner}
    assert named == FUNCTIONS - WITHOUT_CHECK, RENEW
    assert WITHOUT_CHECK <= FUNCTIONS
    assert set(check_map()) == set(REGISTRY), RENEW


def test_the_map_has_each_check_that_a_test_requires_itself() -> None:
    """Also in a function that it calls; what other modules evaluate, a run shows."""
    found = {one for source in SOURCES for one in required(ast.parse(source))}
    assert len(found) > 100
    missing = {(name, check) for name, check in found if name not in functions_of(check)}
    assert missing == CONDITIONAL, RENEW


@pytest.mark.parametrize("check", sorted(REGISTRY))
def test_only_selects_the_tests_that_evaluate_the_check(check) -> None:
    """Each of them is selected, whatever its parameters, and no other test."""
    assert selected(check) == functions_of(check) != set()


def test_only_may_be_repeated_and_names_what_is_close() -> None:
    """Several checks select the tests of all; an unknown one is refused with its neighbours."""
    assert selected("size", "media-type") == functions_of("size") | functions_of("media-type")
    with pytest.raises(pytest.UsageError, match=r"no check 'medi-type'.*media-type"):
        validate_names(["media-type", "medi-type"])


@pytest.mark.slow  # it collects the whole suite; what is selected is tested above for each check
def test_a_run_of_one_check_collects_its_tests_alone() -> None:
    """The option selects among the collected tests, the slow ones as well."""
    assert collected("--only", "media-type") == functions_of("media-type")


@pytest.mark.parametrize(
    ("name", "function", "subject"),
    [
        (f"test_a[{MODEL.name}-sync]", "test_a", "video"),
        (f"test_b[{IMAGE}-x]", "test_b", "image"),
        ("test_c", "test_c", ""),
        (f"test_d[{MODEL.name}-{IMAGE}]", "test_d", ""),
    ],
)
def test_a_test_is_for_the_kind_of_its_model(name, function, subject) -> None:
    """The parameters of a test name the kind of model that it is for."""
    assert (function_of(name), subject_of(name)) == (function, subject)


def test_the_map_is_made_of_the_passed_tests_of_a_run() -> None:
    """Each check has the functions that evaluated it, by the kind of model."""
    name = f"test_y[{MODEL.name}]"
    tests = [RanTest(name, "passed", "", ["link"]), RanTest("test_x", "failed", "", ["size"])]
    assert map_of(tests) == {"link": {"video": ["test_y"]}}


@pytest.mark.slow
def test_the_map_is_what_a_run_evaluates(tmp_path) -> None:
    """Each check that a test evaluates is in the map with this test, and no other is."""
    some = "range_request or costs_more or cost_nothing"
    command = [sys.executable, "-m", "wanflow", "contract", "--report", str(tmp_path)]
    subprocess.run([*command, "--", "-m", "fast", "-k", some], cwd=tmp_path, check=True)
    tests = read_result(tmp_path / "report.json").tests
    assert {one.outcome for one in tests} == {"passed"}
    known, now = check_map(), map_of(tests)
    functions = {function_of(one.name) for one in tests}
    assert len(functions) >= 3
    for check, subject in [(name, kind) for name in now for kind in now[name]]:
        assert {*known[check][subject]} & functions == {*now[check][subject]}, RENEW
