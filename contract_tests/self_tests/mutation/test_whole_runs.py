"""Whole runs: a mutant is tested by all tests, and its findings and causes are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from self_tests.mutation import whole_runs
from self_tests.mutation.all_mutants import all_mutants
from self_tests.report_data import IMAGE, VIDEO, finding
from wanflow_contract.report.counters import Counters
from wanflow_contract.report.result import RanTest, RunResult, read_result, write_result

if TYPE_CHECKING:
    from pathlib import Path


def kept_result(path: Path, operations: tuple[str, ...]) -> None:
    """Write the result of a run in which the same fault was found at some operations."""
    found = [finding(operation=one) for one in operations]
    tests = [RanTest(f"test_{one}", "failed") for one in operations]
    write_result(RunResult(Counters(), found, [], [*tests, RanTest("test", "passed")], []), path)


def test_the_numbers_of_kept_results_are_printed(tmp_path, capsys) -> None:
    """Each mutant has a line; the same fault at two operations is two findings and one cause."""
    kept_result(tmp_path / "one.json", (VIDEO,))
    kept_result(tmp_path / "two.json", (VIDEO, IMAGE))
    assert whole_runs.main(["one", "two", "--read", "--into", str(tmp_path)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "1 failed tests 1 findings 1 causes one",
        "2 failed tests 2 findings 1 causes two",
        "failed tests: median 1.5, most 2",
        "findings: median 1.5, most 2",
        "causes: median 1, most 1",
    ]


def test_each_mutant_of_the_sample_exists() -> None:
    """A mutant that was renamed is not left out."""
    assert set(whole_runs.SAMPLE) <= all_mutants().keys()


@pytest.mark.slow  # collects the suite, and runs it for some seconds
def test_a_whole_run_goes_on_after_its_first_finding_and_ends_in_time(tmp_path) -> None:
    """The result is kept: more tests than one failed, and the time limit ended the run."""
    arguments = ["submit-200-201", "--seconds", "4", "--into", str(tmp_path)]
    assert whole_runs.main(arguments) == 0
    result = read_result(tmp_path / "submit-200-201.json")
    assert result.outcomes()["failed"] > 1
    assert "documented-status" in {one.check for one in result.new}
    assert len(result.tests) < 3000
