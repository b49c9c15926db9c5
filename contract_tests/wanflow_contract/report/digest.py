"""What every report says, in its order, before it becomes a page or a text."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, cast

from attrs import field, frozen

from wanflow.cli.text import counted
from wanflow_contract.findings.baseline import summary
from wanflow_contract.findings.causes import Cause, causes_of
from wanflow_contract.plan.rules import coverage_line
from wanflow_contract.report.not_judged import NotJudged, not_judged
from wanflow_contract.report.text import one_line
from wanflow_contract.report.verdict import passed, verdict

if TYPE_CHECKING:
    from wanflow_contract.plan.rules import Rule
    from wanflow_contract.report.counters import Counters
    from wanflow_contract.report.result import RunResult

# The numbers that differ between messages about the budget.
_COST = re.compile(r"[0-9.e+]+ credits(?=; )|[0-9.]+(?= of [0-9.e+]+ are spent)")

_MOST_PRICES = 3


@frozen
class FieldCoverage:
    """How many rules of a field of a model were tested on both sides, and which were not."""

    name: str
    rules: int
    both: int
    untested: list[str] = field(factory=list[str])


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
        received = f"{seen} of {counted(len(responses), 'documented response')} received"
        return "; ".join(filter(None, (coverage_line(self.result.coverage()), received)))

    @property
    def cost(self) -> str:
        """What was sent and spent, in one line."""
        counters = self.result.counters
        if counters.watched:
            requests, tasks = counted(counters.requests, "request"), counted(counters.tasks, "task")
            charged = "the server charges them as always, and nothing was sent for this report"
            return f"{requests} and {tasks} seen; {charged}"
        verb = "would be sent" if counters.dry_run else "sent"
        spent = "would be spent at most" if counters.dry_run else "spent"
        money = f"{counters.spent:g} credits {spent}" if counters.paid else "nothing is charged"
        requests, tasks = counted(counters.requests, "request"), counted(counters.tasks, "task")
        sent = f"{requests} {verb}, {tasks}, {money}{_of_invalid(counters)}"
        more = _unbelieved(counters.unbelieved) + _unreported(counters.unreported)
        return sent + more + _gone(counters.gone)


def _of_invalid(counters: Counters) -> str:
    """Return what was spent on requests that the server should have refused, empty if nothing."""
    if not counters.paid or not counters.invalid_tasks:
        return ""
    number = counted(counters.invalid_tasks, "invalid request")
    return f", {counters.spent_on_invalid:g} of them on {number} that the server accepted"


def _unbelieved(prices: Counter[str]) -> str:
    """Return which reported prices can't be right, empty if none."""
    if not prices:
        return ""
    shown = ", ".join(one_line(one, 100) for one in list(prices)[:_MOST_PRICES])
    number = counted(prices.total(), "reported price")
    return f"; {number} can't be right ({shown}) and counted as documented"


def _unreported(tasks: Counter[str]) -> str:
    """Return how many tasks had no price, empty if each had one."""
    number = counted(tasks.total(), "task")
    return f"; the server reported no price of {number}: estimated" if tasks else ""


def _gone(statuses: Counter[str]) -> str:
    """Return how often the server was not available for a moment, empty if it always was."""
    number = counted(statuses.total(), "response")
    shown = " or ".join(sorted(statuses))
    return f"; {number} with {shown} did not come again with the same request" if statuses else ""


def digest(result: RunResult) -> Digest:
    """Return what the reports say of a result."""
    causes = causes_of(result.new)
    return Digest(
        result=result,
        passed=passed(result),
        verdict=verdict(result, causes),
        causes=causes,
        notes=causes_of(result.notes),
        known=causes_of(result.known),
        not_judged=not_judged(result),
        fields=field_coverage(result),
    )


def field_coverage(result: RunResult) -> list[FieldCoverage]:
    """Return the coverage of each field of each model that the run judges."""
    rows, sides = defaultdict[str, list["Rule"]](list), result.sides
    for one in result.counters.rules() if sides else ():
        rows[f"{one.model} {one.field}"].append(one)
    return [
        FieldCoverage(
            name,
            len(rules),
            sum(not one.missing(sides) for one in rules),
            [f"{one.keyword} ({side} values)" for one in rules if (side := one.missing(sides))],
        )
        for name, rules in rows.items()
    ]


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
    forecast = cast("dict[str, Any] | None", result.plan.get("forecast"))
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
