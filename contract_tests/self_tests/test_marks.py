"""Marks distinguish the tests for any server from those that need a mock, and are correct."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from self_tests.reference_server.server import Server
from wanflow_contract.report.result import ExitCode

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]
KEYS = ("the-key-that-pays-0001", "the-key-of-another-0002")
OF_CONTROLS = "it needs the mock's controls"
# One small test of each file, and some that need the controls.
FEW = "equal_requests or costs_nothing or works_for_a_day or own_account or documented_error_is"


def suite(*options: str, where: str = "contract_tests") -> subprocess.CompletedProcess[str]:
    """Run the command of the suite, with keys in the environment."""
    keys = dict(zip(("WANFLOW_CONTRACT_API_KEY", "WANFLOW_CONTRACT_API_KEY2"), KEYS, strict=True))
    return subprocess.run(
        [sys.executable, "-m", "pytest", where, "-q", "-p", "no:cacheprovider", *options],
        cwd=ROOT,
        env={**os.environ, **keys},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


# Collects the suite, and prints the marks of each test.
MARKS = """
import pytest

class Marks:
    def pytest_collection_finish(self, session):
        for item in session.items:
            print("MARKS", *{mark.name for mark in item.iter_markers()})

options = ["--collect-only", "-qq", "-p", "no:cacheprovider"]
pytest.main(["contract_tests/wanflow_contract", *options], plugins=[Marks()])
"""


def test_each_test_that_uses_a_server_has_one_of_the_marks() -> None:
    """There are tests with each mark, and none with both."""
    command = [sys.executable, "-c", MARKS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    marks = [set(line.split()) for line in done.stdout.splitlines() if line.startswith("MARKS")]
    assert sum("published_api" in one for one in marks) > 1000
    assert sum("mock_controls" in one for one in marks) > 50
    assert not [one for one in marks if {"published_api", "mock_controls"} <= one]


@pytest.mark.slow
@pytest.mark.parametrize("marks", ["published_api", "mock_controls"])
def test_a_server_without_controls_runs_the_published_api_tests_only(marks) -> None:
    """No test marked published_api is skipped for lack of controls; all others are."""
    with Server(*KEYS) as server:
        aimed = ["--base-url", server.origin + server.base, "--spend-limit", "9999"]
        done = suite(*aimed, "-m", f"fast and {marks}", "-k", FEW)
    untested = marks == "mock_controls"
    assert done.returncode == (ExitCode.NOT_TESTED if untested else 0), done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert (OF_CONTROLS in done.stdout) == untested
    assert bool(passed) == (not untested), done.stdout
