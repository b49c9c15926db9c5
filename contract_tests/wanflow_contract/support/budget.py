"""The spend budget: each submission's cost is estimated, and nothing is sent beyond the limit."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow.catalog.catalog import packaged_catalog
from wanflow.catalog.document import load_packaged
from wanflow_contract.checks.expectation import Expectation, Expected
from wanflow_contract.support.shared_budget import SharedBudget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow_contract.support.exchange import Exchange

UNLIMITED = float("inf")
_FALLBACK_PRICE = 5.0
AMPLE = 2000.0
"""Credits from which on generated requests may be submitted, too."""


class BudgetExceeded(Exception):
    """A submission is not sent: it might cost more than is left."""


@define(eq=False)
class SpendBudget:
    """The credits that may be spent, those that were spent, and the highest price of each class.

    A dry run records estimates, since nothing is charged. `spent_here` is what this process spent;
    the shared budget has what all processes did. Once a server accepts an invalid request
    (`accepts_invalid`), invalid requests, too, are sent only within the budget.

    Prices are kept by price class (model and values such as quality) and per unit: a second of
    video, or an image. `limit` is UNLIMITED where nothing is charged.
    """

    limit: float = UNLIMITED
    shared_budget: SharedBudget = field(factory=SharedBudget)
    spent_here: float = 0.0
    submissions: int = 0
    not_sent: int = 0
    default_price: float = field(init=False)
    dry_run: bool = False
    accepts_invalid: bool = False
    _prices: dict[tuple[str, ...], float] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        """Read the documented prices."""
        self.default_price = _highest_documented_price()

    @property
    def unlimited(self) -> bool:
        """Whether there is no limit."""
        return self.limit == UNLIMITED

    @property
    def ample(self) -> bool:
        """Whether there is enough left for generated requests."""
        return self.unlimited or self.limit - self.shared_budget.spent >= AMPLE

    def estimate(self, body: Mapping[str, Any]) -> float:
        """Return the maximum cost of a request in credits, by the prices of its price class so far.

        For a price class that has no price yet, it is the highest documented price, or twice the
        highest price of the model so far.
        """
        price = self._prices.get(_price_class(body))
        if price is None:
            of_model = [one for kind, one in self._prices.items() if kind[0] == body.get("model")]
            price = max(self.default_price, 2 * max(of_model, default=0.0))
        return price * _units(body)

    def reserve(self, expectation: Expectation | None, content: bytes | None) -> float:
        """Reserve the estimated cost of a request, and return it.

        Raises:
            BudgetExceeded: it might be accepted, and its estimate is more than what is left.
        """
        if (
            self.unlimited
            or expectation is None
            or (expectation.expected is Expected.REJECT and not self.accepts_invalid)
        ):
            return 0.0
        cost = self.estimate(_body(content))
        if not self.shared_budget.reserve(cost, self.limit):
            self.not_sent += 1
            raise BudgetExceeded(
                f"this submission may cost {cost:g} credits; "
                f"{self.shared_budget.spent:g} of {self.limit:g} are spent"
            )
        return cost

    def record(
        self, exchange: Exchange, expectation: Expectation | None, reserved: float = 0.0
    ) -> None:
        """Record the cost that a response reports, and release the reservation."""
        if expectation is None or exchange.status != 200 or exchange.header("idempotency-replayed"):
            self.settle(0.0, reserved)
            return
        self.accepts_invalid = self.accepts_invalid or expectation.expected is Expected.REJECT
        self.record_cost(_body(exchange.sent), exchange.decoded(), reserved)

    def record_cost(self, body: Mapping[str, Any], receipt: Any, reserved: float = 0.0) -> None:
        """Record the cost that a receipt reports, or else the estimate."""
        self.submissions += 1
        reported = None if self.dry_run else _reserved(receipt)
        cost = self.estimate(body) if reported is None else reported
        self.settle(cost, reserved)
        if reported is not None:
            kind = _price_class(body)
            self._prices[kind] = max(self._prices.get(kind, 0.0), reported / _units(body))

    def settle(self, cost: float, reserved: float) -> None:
        """Record a cost in place of what was reserved for it."""
        self.spent_here = round(self.spent_here + cost, 4)
        self.shared_budget.settle(reserved, cost)


def _highest_documented_price() -> float:
    """Return the highest documented price of a task."""
    schemas = load_packaged().get("components", {}).get("schemas", {}).values()
    rules = [one.get("properties", {}).get("credits_reserved", {}) for one in schemas]
    shown = [value for rule in rules for value in (rule.get("example"), *rule.get("examples", ()))]
    return max(
        (float(one) for one in shown if isinstance(one, int | float)), default=_FALLBACK_PRICE
    )


def _reserved(receipt: Any) -> float | None:
    usage = receipt.get("usage") if isinstance(receipt, dict) else None
    reported = usage.get("credits_reserved") if isinstance(usage, dict) else None
    return float(reported) if isinstance(reported, int | float) else None


def _body(content: bytes | None) -> dict[str, Any]:
    try:
        body = json.loads(content or b"")
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


@cache
def _choices() -> frozenset[str]:
    """Return the parameters whose values are a list of strings."""
    models = packaged_catalog().models.values()
    rules = [one for model in models for one in model.parameters.items()]
    return frozenset(
        name
        for name, rule in rules
        if name != "model" and isinstance(rule.get("enum", [0])[0], str)
    )


def _price_class(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the price class of a request: its model, and the values chosen from lists."""
    chosen = (f"{name}={body[name]}" for name in sorted(_choices() & body.keys()))
    return str(body.get("model")), *chosen


def _units(body: Mapping[str, Any]) -> float:
    numbers = (body.get(name, 1) for name in ("duration", "n"))
    return max(1.0, *(float(one) for one in numbers if isinstance(one, int | float)))
