"""Checks that were never evaluated because another failed first."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from attrs import frozen

from wanflow_contract.checks.check import NOT_JUDGED
from wanflow_contract.findings.finding import NOTE
from wanflow_contract.plan.check_map import check_map, function_of, subject_of

if TYPE_CHECKING:
    from wanflow_contract.findings.finding import Finding
    from wanflow_contract.report.result import RanTest, RunResult


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
        many = "check" if len(self.checks) == 1 else "checks"
        return f"{many} {', '.join(self.checks)}{whose}: not judged, since {self.because}"


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
    notes_first = sorted(result.findings, key=lambda one: one.kind != NOTE)
    by_test = {test: one for one in notes_first for test in one.tests}
    found = dict[tuple[str, str], "Finding"]()
    for test in result.tests:
        finding = by_test.get(test.name)
        if finding is not None and _is_stopped(test):
            found.setdefault((function_of(test.name), subject_of(test.name)), finding)
    return found


def _is_stopped(test: RanTest) -> bool:
    return test.outcome == "failed" or test.reason.startswith(NOT_JUDGED)
