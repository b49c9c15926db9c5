"""What a run covered and spent, in numbers that processes can add up."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow_contract.checks.documented_responses import packaged_promises
from wanflow_contract.support.coverage import tried

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow_contract.support.api_under_test import Target

_COUNTERS = ("statuses", "keywords", "boundaries", "endings")


@define
class Tally:
    """Answers by operation and status, verdicts by model and field, requests, credits."""

    base_url: str = ""
    steered: bool = False
    requests: int = 0
    tasks: int = 0
    spent: float = 0.0
    paid: bool = False
    dry: bool = False
    listing: list[str] = field(factory=list)
    statuses: Counter[str] = field(factory=Counter[str])
    keywords: Counter[str] = field(factory=Counter[str])
    boundaries: Counter[str] = field(factory=Counter[str])
    endings: Counter[str] = field(factory=Counter[str])

    def take(self, target: Target) -> None:
        """Take in what a target was asked."""
        self.base_url, self.steered = target.base_url, target.steered
        self.requests += target.wire.sent
        self.dry = target.wire.dry
        self.listing += target.wire.listing
        self.tasks += target.purse.submissions
        self.spent += target.purse.own
        self.paid = not target.purse.free
        for (operation, status), number in target.wire.statuses.items():
            self.statuses[f"{operation} {status}"] += number
        self.keywords.update(target.keywords)
        self.boundaries.update(target.boundaries)
        self.endings.update(f"{one.model.name} {one.status}" for one in target.lives.values())

    def add(self, told: Mapping[str, Any]) -> None:
        """Add what another process covered."""
        self.base_url = self.base_url or told["base_url"]
        self.steered = self.steered or told["steered"]
        self.paid = self.paid or told["paid"]
        self.requests += told["requests"]
        self.dry = self.dry or told["dry"]
        self.listing += told["listing"]
        self.tasks += told["tasks"]
        self.spent += told["spent"]
        for name in _COUNTERS:
            getattr(self, name).update(told[name])

    def plain(self) -> dict[str, Any]:
        """Return the tally as JSON data."""
        names = ("base_url", "steered", "paid", "requests", "tasks", "spent", "dry", "listing")
        counters = {
            name: dict(getattr(self, name))
            for name in ("statuses", "keywords", "boundaries", "endings")
        }
        return {**{name: getattr(self, name) for name in names}, **counters}

    def answers(self) -> list[tuple[str, int, int]]:
        """Return each documented answer with how often it was seen."""
        return [
            (name, status, self.statuses[f"{name} {status}"])
            for name, status in packaged_promises().statuses()
        ]

    def tried(self) -> list[tuple[str, str, int, int]]:
        """Return each keyword of a request with how often it was kept and broken."""
        return tried(packaged_promises().catalog.models, self.keywords)

    def never(self) -> list[str]:
        """Return the documented answers that were never seen."""
        return [f"{name} {status}" for name, status, number in self.answers() if not number]

    def line(self) -> str:
        """Return the last line of a run."""
        seen = len(self.answers()) - len(self.never())
        both = sum(kept > 0 and broken > 0 for _, _, kept, broken in self.tried())
        what = "would be sent" if self.dry else "sent"
        spent = f"{self.spent:g} credits {'would be spent at most' if self.dry else 'spent'}"
        money = spent if self.paid else "nothing is charged"
        return (
            f"contract: {self.requests} requests {what}, {self.tasks} tasks, {money}; "
            f"{seen} of {len(self.answers())} documented answers seen, "
            f"{both} of {len(self.tried())} keywords of requests tried on both sides"
        )
