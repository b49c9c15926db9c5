"""Checks that were never evaluated because another failed first."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from wanflow_contract.checks.check import NOT_JUDGED
from wanflow_contract.checks.documented_responses import packaged_contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wanflow_contract.findings.finding import Finding
    from wanflow_contract.report.result import RanTest, RunResult

MAP = Path(__file__).with_name("tests_of_checks.json")
"""Made by `python -m self_tests.check_map` from a run without findings."""
MOST_FUNCTIONS = 8

CheckMap = dict[str, dict[str, list[str]]]


@frozen
class NotJudged:
    """Checks of a kind of model that were not judged because of a finding, or of its check.

    `subject` is a kind of model, empty for checks that belong to none.
    """

    subject: str
    checks: list[str]
    because: str
    finding: str

    def sentence(self) -> str:
        """Return what was not judged, and why."""
        whose = f" of {self.subject}" if self.subject else ""
        many = "s" if len(self.checks) > 1 else ""
        return f"check{many} {', '.join(self.checks)}{whose}: not judged, since {self.because}"


def not_judged(result: RunResult) -> list[NotJudged]:
    """Return the checks that no test of a run evaluated, because each was stopped before."""
    stopped = _stopped_by(result)
    done = {(check, subject_of(test.name)) for test in result.tests for check in test.checks}
    everywhere = {check for check, _ in done}
    found = defaultdict[tuple[str, str, str], list[str]](list)
    for check, subjects in check_map().items():
        for subject, functions in subjects.items():
            if (check, subject) in done or (not subject and check in everywhere):
                continue
            reason = next(
                (stopped[one, subject] for one in functions if (one, subject) in stopped), None
            )
            if reason is not None and reason.check != check:
                found[subject, because(reason), reason.id].append(check)
    return [NotJudged(subject, names, why, of) for (subject, why, of), names in found.items()]


def because(finding: Finding) -> str:
    """Return a finding as a reason, in a few words."""
    sentence = finding.sentence.rstrip(".")
    return f"[{finding.check}] failed first: {sentence}"


def _stopped_by(result: RunResult) -> dict[tuple[str, str], Finding]:
    """Return the finding that stopped a test, by the function and the subject of the test."""
    by_test = {test: one for one in result.findings for test in one.tests}
    found = dict[tuple[str, str], "Finding"]()
    for test in result.tests:
        finding = by_test.get(test.name)
        if finding is not None and _is_stopped(test):
            found.setdefault((function_of(test.name), subject_of(test.name)), finding)
    return found


def _is_stopped(test: RanTest) -> bool:
    return test.outcome == "failed" or test.reason.startswith(NOT_JUDGED)


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


@cache
def check_map() -> CheckMap:
    """Return which functions of tests evaluate each check, by the kind of model."""
    found: CheckMap = json.loads(MAP.read_text("utf-8"))
    return found


def map_of(tests: Iterable[RanTest]) -> CheckMap:
    """Return which functions evaluated each check in a run without findings."""
    found = defaultdict[str, dict[str, set[str]]](dict)
    for check, subject, function in _evaluated(tests):
        found[check].setdefault(subject, set()).add(function)
    return {
        check: {subject: sorted(some)[:MOST_FUNCTIONS] for subject, some in sorted(one.items())}
        for check, one in sorted(found.items())
    }


def _evaluated(tests: Iterable[RanTest]) -> Iterator[tuple[str, str, str]]:
    for test in tests:
        if test.outcome == "passed":
            for check in test.checks:
                yield check, subject_of(test.name), function_of(test.name)
