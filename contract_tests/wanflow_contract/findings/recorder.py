"""Record every evaluation and failure of a check during a run, and decide which are raised."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field

from wanflow_contract.findings.finding import KNOWN, NEW, NOTE, Finding, make_finding, operation_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from wanflow_contract.checks.check import Check, CheckFailed
    from wanflow_contract.support.exchange import Exchange


@define(eq=False)
class Recorder:
    """The findings of a run, each once, and which checks were evaluated for which operation.

    With `strict`, notes are findings like others. `is_known` decides whether the baseline has a
    finding. With `only`, failures of all other checks are ignored. `raised_at_most` is how often
    the same finding is raised; tests that show it again go on. `test` is the test that runs now;
    `tolerated` are the failures that it was allowed to go on after.
    """

    strict: bool = False
    is_known: Callable[[Finding], bool] = lambda _finding: False
    only: Collection[str] = ()
    raised_at_most: float = math.inf
    test: str = ""
    findings: dict[str, Finding] = field(factory=dict)
    evaluations: Counter[tuple[str, str]] = field(factory=Counter)
    evaluated_by: dict[str, set[str]] = field(factory=dict)
    tolerated: list[CheckFailed] = field(factory=list)
    _taken: Counter[str] = field(factory=Counter)
    _taken_evaluations: Counter[tuple[str, str]] = field(factory=Counter)

    def begin(self, test: str) -> None:
        """Start a test."""
        self.test = test
        self.tolerated.clear()

    def evaluated(self, check: Check, exchanges: tuple[Exchange, ...], /) -> None:
        """Count an evaluation of a check."""
        self.evaluations[check.name, operation_of(exchanges)] += 1
        self.evaluated_by.setdefault(self.test, set()).add(check.name)

    def tolerates(self, failure: CheckFailed, /) -> bool:
        """Record a note, a known deviation or a repetition; return whether the failure is one."""
        if self.only and failure.check.name not in self.only:
            self.tolerated.append(failure)
            return True
        found = make_finding(self.test, failure)
        kind = self.kind_of(failure.check, found)
        if kind == NEW and self._times(found.id) < self.raised_at_most:
            return False
        self.add(evolve(found, kind=kind))
        self.tolerated.append(failure)
        return True

    def _times(self, finding_id: str) -> int:
        known = self.findings.get(finding_id)
        return known.count if known else 0

    def kind_of(self, check: Check, finding: Finding) -> str:
        """Return what kind of finding a failure is."""
        if check.note and not self.strict:
            return NOTE
        return KNOWN if self.is_known(finding) else NEW

    def add(self, finding: Finding) -> None:
        """Add a finding, or another occurrence of one."""
        known = self.findings.get(finding.id)
        self.findings[finding.id] = known.merged(finding) if known else finding

    def take(self) -> dict[str, Any]:
        """Return what was recorded since the last call as JSON data, for another process."""
        found = [
            evolve(one, count=one.count - self._taken[one.id])
            for one in self.findings.values()
            if one.count > self._taken[one.id]
        ]
        evaluations = self.evaluations - self._taken_evaluations
        self._taken.update({one.id: one.count for one in found})
        self._taken_evaluations.update(evaluations)
        return {
            "findings": [one.to_json() for one in found],
            "evaluations": [[*key, number] for key, number in evaluations.items()],
            "evaluated_by": {self.test: sorted(self.evaluated_by.get(self.test, ()))},
        }

    def merge(self, other: Mapping[str, Any]) -> None:
        """Add what another process has taken."""
        for one in other["findings"]:
            self.add(Finding.from_json(one))
        for check, operation, number in other["evaluations"]:
            self.evaluations[check, operation] += number
        for test, names in other["evaluated_by"].items():
            self.evaluated_by.setdefault(test, set()).update(names)

    def of_kind(self, *kinds: str) -> list[Finding]:
        """Return the findings of some kinds."""
        return [one for one in self.findings.values() if one.kind in kinds]


def each_once(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with the occurrences of the same one merged."""
    found: dict[str, Finding] = {}
    for one in findings:
        found[one.id] = found[one.id].merged(one) if one.id in found else one
    return list(found.values())
