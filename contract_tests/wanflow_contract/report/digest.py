"""What every report says, in its order, before it becomes a page or a text."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from attrs import field, frozen

from wanflow_contract.findings.baseline import summary
from wanflow_contract.findings.causes import Cause, causes_of
from wanflow_contract.plan.rules import coverage_line
from wanflow_contract.report.not_judged import NotJudged, not_judged
from wanflow_contract.report.text import one_line

if TYPE_CHECKING:
    from wanflow_contract.report.result import RunResult

# The numbers that differ between messages about the budget.
_COST = re.compile(r"[0-9.e+]+ credits(?=; )|[0-9.]+(?= of [0-9.e+]+ are spent)")


@frozen
class FieldCoverage:
    """How many rules of a field of a model were tested on both sides, and which were not."""

    name: str
    rules: int
    both: int
    untested: list[str] = field(factory=list)


@frozen
class Digest:
    """A result as the reports show it: causes instead of findings, coverage by field."""

    result: RunResult
    passed: bool
    verdict: str
    causes: list[Cause]
    notes: list[Cause]
    known: list[Cause]
    not_judged: list[NotJudged]
    fields: list[FieldCoverage]

    @property
    def coverage(self) -> str:
        """How much was tested, in one line."""
        counters = self.result.counters
        responses = counters.responses()
        seen = sum(number > 0 for _, _, number in responses)
        return (
            f"{coverage_line(counters.coverage())}; "
            f"{seen} of {len(responses)} documented responses received"
        )

    @property
    def cost(self) -> str:
        """What was sent and spent, in one line."""
        counters = self.result.counters
        verb = "would be sent" if counters.dry_run else "sent"
        spent = "would be spent at most" if counters.dry_run else "spent"
        money = f"{counters.spent:g} credits {spent}" if counters.paid else "nothing is charged"
        return f"{counters.requests} requests {verb}, {counters.tasks} tasks, {money}"


def digest(result: RunResult) -> Digest:
    """Return what the reports say of a result."""
    causes = causes_of(result.new)
    return Digest(
        result=result,
        passed=bool(result.tests) and not result.new and not result.errors and not _failed(result),
        verdict=_verdict(result, causes) + _interrupted(result),
        causes=causes,
        notes=causes_of(result.notes),
        known=causes_of(result.known),
        not_judged=not_judged(result),
        fields=field_coverage(result),
    )


def _failed(result: RunResult) -> int:
    return result.outcomes().get("failed", 0)


def _verdict(result: RunResult, causes: list[Cause]) -> str:
    server = one_line(result.counters.base_url) or "The server"
    checks = len({one.check for one in result.new})
    if causes:
        failed = f"{_number(checks, 'check')} failed"
        return f"{server} deviates from the documents: {_number(len(causes), 'cause')}, {failed}"
    if result.errors or _failed(result):
        number = _number(len(result.errors) or _failed(result), "test")
        return f"{server} was not completely tested: {number} ended with an error in the suite"
    if not result.counters.requests:
        return f"{server} was not tested"
    far = "" if result.counters.has_mock_controls else ", as far as it was tested"
    known = f", {_number(len(result.known), 'known deviation')} aside" if result.known else ""
    return f"{server} passes the contract tests{far}{known}"


def _interrupted(result: RunResult) -> str:
    missing = _number(result.missing, "test")
    return f"; interrupted, the results of {missing} are missing" if result.missing else ""


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def field_coverage(result: RunResult) -> list[FieldCoverage]:
    """Return the coverage of each field of each model."""
    rows = defaultdict[str, list[tuple[str, int, int]]](list)
    for name, keyword, valid, invalid in result.counters.tried():
        rows[name].append((keyword, valid, invalid))
    return [
        FieldCoverage(
            name,
            len(rules),
            sum(valid > 0 and invalid > 0 for _, valid, invalid in rules),
            [_untested(*one) for one in rules if not (one[1] and one[2])],
        )
        for name, rules in rows.items()
    ]


def _untested(keyword: str, valid: int, invalid: int) -> str:
    missing = [word for word, number in (("valid", valid), ("invalid", invalid)) if not number]
    return f"{keyword} ({' and '.join(missing)} values)"


def reasons_of(result: RunResult) -> dict[str, int]:
    """Return the number of skipped tests by reason, without the amounts of credits."""
    found = Counter[str]()
    for reason, number in result.skipped().items():
        found[_COST.sub("…", reason)] += number
    return dict(sorted(found.items()))


def baseline_lines(result: RunResult) -> list[str]:
    """Return what became of the baseline: entries that have expired or no longer occur."""
    return [one.strip() for one in summary(result.baseline)]


def forecast_lines(result: RunResult) -> list[str]:
    """Return what was said of the cost before the run."""
    forecast = result.plan.get("forecast")
    if not isinstance(forecast, dict):
        return []
    tasks, credits_ = forecast.get("tasks"), forecast.get("credits")
    return [f"A full run would submit some {tasks} tasks for about {credits_} credits."]


def where(cause: Cause) -> str:
    """Return the operations of a cause, or that there is none."""
    return ", ".join(cause.operations) or "no operation"


def fields(cause: Cause) -> str:
    """Return the fields of a cause; only some of many."""
    names = cause.pointers
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
