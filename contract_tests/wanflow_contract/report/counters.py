"""Counters of what a run covered and spent; processes add them up."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.plan.rules import Rule, rules_of_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow_contract.support.api_under_test import ApiUnderTest

_COUNTERS = ("statuses", "keywords", "boundaries", "endings", "unbelieved", "unreported", "gone")
_SUMS = ("requests", "tasks", "spent", "invalid_tasks", "spent_on_invalid")


@define
class Counters:
    """Responses by operation and status, expectations by model and field, requests, credits.

    `spent_on_invalid` are the credits of `invalid_tasks`, which the server should have refused.
    `unbelieved` counts reported prices that can't be right, `unreported` tasks without one, `gone`
    the responses by status that another one followed when the request was sent again. With
    `watched`, the requests are those of others, and the run sent none.
    """

    base_url: str = ""
    has_mock_controls: bool = False
    requests: int = 0
    tasks: int = 0
    spent: float = 0.0
    invalid_tasks: int = 0
    spent_on_invalid: float = 0.0
    paid: bool = False
    dry_run: bool = False
    watched: bool = False
    request_list: list[str] = field(factory=list)
    statuses: Counter[str] = field(factory=Counter[str])
    keywords: Counter[str] = field(factory=Counter[str])
    boundaries: Counter[str] = field(factory=Counter[str])
    endings: Counter[str] = field(factory=Counter[str])
    unbelieved: Counter[str] = field(factory=Counter[str])
    unreported: Counter[str] = field(factory=Counter[str])
    gone: Counter[str] = field(factory=Counter[str])

    def collect(self, target: ApiUnderTest) -> None:
        """Add the counts of a target."""
        self.base_url, self.has_mock_controls = target.base_url, target.has_mock_controls
        self.requests += target.client.sent
        self.dry_run = target.client.dry_run
        self.request_list += target.client.request_list
        self.tasks += target.budget.submissions
        self.spent += target.budget.spent_here
        self.invalid_tasks += target.budget.invalid_tasks
        self.spent_on_invalid += target.budget.spent_on_invalid
        self.paid = not target.budget.unlimited
        for (operation, status), number in target.client.statuses.items():
            self.statuses[f"{operation} {status}"] += number
        self.keywords.update(target.keywords)
        self.boundaries.update(target.boundaries)
        self.unbelieved.update(target.budget.unbelieved)
        self.unreported.update(target.budget.unreported)
        self.gone.update(target.client.interruptions.gone)
        self.endings.update(f"{one.model.name} {one.status}" for one in target.tasks.values())

    def merge(self, other: Mapping[str, Any]) -> None:
        """Add the counters of another process."""
        self.base_url = self.base_url or other["base_url"]
        self.has_mock_controls = self.has_mock_controls or other["has_mock_controls"]
        self.paid = self.paid or other["paid"]
        self.watched = self.watched or other.get("watched", False)
        self.dry_run = self.dry_run or other["dry_run"]
        self.request_list += other["request_list"]
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + other.get(name, 0))
        for name in _COUNTERS:
            getattr(self, name).update(other.get(name, {}))

    def to_json(self) -> dict[str, Any]:
        """Return the counters as JSON data."""
        names = (
            "base_url",
            "has_mock_controls",
            "paid",
            *_SUMS,
            "dry_run",
            "watched",
            "request_list",
        )
        counters = {name: dict(getattr(self, name)) for name in _COUNTERS}
        return {**{name: getattr(self, name) for name in names}, **counters}

    def responses(self) -> list[tuple[str, int, int]]:
        """Return each documented response with how often it was received."""
        return [
            (name, status, self.statuses[f"{name} {status}"])
            for name, status in packaged_contract().statuses()
        ]

    def tried(self) -> list[tuple[str, str, int, int]]:
        """Return each keyword of the requests with how often it was satisfied and violated."""
        return [
            (f"{one.model} {one.field}", one.keyword, one.valid, one.invalid)
            for one in self.rules()
        ]

    def rules(self) -> list[Rule]:
        """Return each rule of the requests with how often it was tested."""
        return rules_of_run(self.keywords)

    def never_seen(self) -> list[str]:
        """Return the documented responses that were never received."""
        return [f"{name} {status}" for name, status, number in self.responses() if not number]
