"""What a run may spend: each submission is estimated before it is sent, refused at the limit."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow.catalog.catalog import packaged_catalog
from wanflow.catalog.document import load_packaged
from wanflow_contract.checks.expectation import Verdict, Word
from wanflow_contract.support.shared_budget import Till

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow_contract.support.exchange import Exchange

FREE = float("inf")
_DEAR = 5.0
ROOMY = 2000.0
"""Credits from which on chance may spend, too."""


class PurseEmpty(Exception):
    """A submission is not sent: it might cost more than may still be spent."""


@define(eq=False)
class Purse:
    """Credits that may be spent, what was spent, and the highest price seen of each model.

    A dry purse books estimates, for nothing is bought. `own` is what this process spent, the till
    has what all of a run did. A server that takes what it should refuse is `lax`: from then on
    that, too, is sent only where it can be paid.

    Prices are kept by model and choices, as quality, per unit: a second of video, or an image.
    `limit` is FREE where nothing costs anything.
    """

    limit: float = FREE
    till: Till = field(factory=Till)
    own: float = 0.0
    submissions: int = 0
    refused: int = 0
    unseen: float = field(init=False)
    dry: bool = False
    lax: bool = False
    _prices: dict[tuple[str, ...], float] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        """Read what the document shows of prices."""
        self.unseen = _shown_price()

    @property
    def free(self) -> bool:
        """Whether spending has no end."""
        return self.limit == FREE

    @property
    def roomy(self) -> bool:
        """Whether there is enough for chance to spend from, too."""
        return self.free or self.limit - self.till.spent >= ROOMY

    def estimate(self, body: Mapping[str, Any]) -> float:
        """Return what a request may cost at most, in credits, by what the like of it cost.

        What has another quality, or another choice that a document lists, may be dearer: it is
        taken to cost what is shown, or twice the dearest that was seen of the model.
        """
        price = self._prices.get(_kind(body))
        if price is None:
            of_model = [one for kind, one in self._prices.items() if kind[0] == body.get("model")]
            price = max(self.unseen, 2 * max(of_model, default=0.0))
        return price * _units(body)

    def permit(self, verdict: Verdict | None, content: bytes | None) -> float:
        """Allow a request to be sent, and return the credits that are held for it.

        Raises:
            PurseEmpty: it might be taken, and its estimate is more than what is left.
        """
        if self.free or verdict is None or (verdict.word is Word.REFUSED and not self.lax):
            return 0.0
        cost = self.estimate(_body(content))
        if not self.till.hold(cost, self.limit):
            self.refused += 1
            raise PurseEmpty(
                f"this submission may cost {cost:g} credits; "
                f"{self.till.spent:g} of {self.limit:g} are spent"
            )
        return cost

    def enter(self, exchange: Exchange, verdict: Verdict | None, held: float = 0.0) -> None:
        """Book what an answer says that its submission costs, and let go of what was held."""
        if verdict is None or exchange.status != 200 or exchange.header("idempotency-replayed"):
            self.pay(0.0, held)
            return
        self.lax = self.lax or verdict.word is Word.REFUSED
        self.book(_body(exchange.sent), exchange.decoded(), held)

    def book(self, body: Mapping[str, Any], receipt: Any, held: float = 0.0) -> None:
        """Book what a receipt says that a task costs, else its estimate."""
        self.submissions += 1
        told = None if self.dry else _reserved(receipt)
        cost = self.estimate(body) if told is None else told
        self.pay(cost, held)
        if told is not None:
            kind = _kind(body)
            self._prices[kind] = max(self._prices.get(kind, 0.0), told / _units(body))

    def pay(self, cost: float, held: float) -> None:
        """Book a cost: what was held for it, where no answer came that could tell."""
        self.own = round(self.own + cost, 4)
        self.till.settle(held, cost)


def _shown_price() -> float:
    """Return the highest price that the document shows for a task: the most that is likely."""
    schemas = load_packaged().get("components", {}).get("schemas", {}).values()
    rules = [one.get("properties", {}).get("credits_reserved", {}) for one in schemas]
    shown = [value for rule in rules for value in (rule.get("example"), *rule.get("examples", ()))]
    return max((float(one) for one in shown if isinstance(one, int | float)), default=_DEAR)


def _reserved(receipt: Any) -> float | None:
    usage = receipt.get("usage") if isinstance(receipt, dict) else None
    told = usage.get("credits_reserved") if isinstance(usage, dict) else None
    return float(told) if isinstance(told, int | float) else None


def _body(content: bytes | None) -> dict[str, Any]:
    try:
        body = json.loads(content or b"")
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


@cache
def _choices() -> frozenset[str]:
    """Return the parameters for which a document lists words to choose from."""
    models = packaged_catalog().models.values()
    rules = [one for model in models for one in model.parameters.items()]
    return frozenset(
        name
        for name, rule in rules
        if name != "model" and isinstance(rule.get("enum", [0])[0], str)
    )


def _kind(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a price goes by beside the units: the model, and each choice that was made."""
    chosen = (f"{name}={body[name]}" for name in sorted(_choices() & body.keys()))
    return str(body.get("model")), *chosen


def _units(body: Mapping[str, Any]) -> float:
    numbers = (body.get(name, 1) for name in ("duration", "n"))
    return max(1.0, *(float(one) for one in numbers if isinstance(one, int | float)))
