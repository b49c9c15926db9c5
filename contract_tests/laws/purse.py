"""What a run may spend: each submission is estimated before it is sent, refused at the limit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import define, field
from contract_tests.laws.verdict import Verdict, Word

from wanflow.spec.document import packaged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contract_tests.laws.exchange import Exchange

FREE = float("inf")
_DEAR = 5.0
ROOMY = 2000.0
"""Credits from which on chance may spend, too."""


class PurseEmpty(Exception):
    """A submission is not sent: it might cost more than may still be spent."""


@define(eq=False)
class Purse:
    """Credits that may be spent, what was spent, and the highest price seen of each model.

    A dry purse books estimates, for nothing is bought.

    Prices are kept per unit: a second of video, or an image. `limit` is FREE where nothing costs
    anything.
    """

    limit: float = FREE
    spent: float = 0.0
    submissions: int = 0
    refused: int = 0
    unseen: float = field(init=False)
    dry: bool = False
    _prices: dict[str, float] = field(factory=dict)

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
        return self.limit - self.spent >= ROOMY

    def estimate(self, body: Mapping[str, Any]) -> float:
        """Return what a request may cost at most, in credits, by what the like of it cost."""
        price = self._prices.get(str(body.get("model")))
        return self.unseen * _units(body) if price is None else price * _units(body)

    def permit(self, verdict: Verdict | None, content: bytes | None) -> None:
        """Allow a request to be sent.

        Raises:
            PurseEmpty: it might be taken, and its estimate is more than what is left.
        """
        if self.free or verdict is None:
            return
        body = _body(content)
        cost = self.estimate(body) if verdict.word is not Word.REFUSED else 0.0
        if cost and self.spent + cost > self.limit:
            self.refused += 1
            raise PurseEmpty(
                f"this submission may cost {cost:g} credits; "
                f"{self.spent:g} of {self.limit:g} are spent"
            )

    def enter(self, exchange: Exchange, verdict: Verdict | None) -> None:
        """Book what an answer says that its submission costs."""
        if verdict is None or exchange.status != 200 or exchange.header("idempotency-replayed"):
            return
        self.submissions += 1
        body = _body(exchange.sent)
        told = None if self.dry else _reserved(exchange)
        cost = self.estimate(body) if told is None else told
        self.spent = round(self.spent + cost, 4)
        name = str(body.get("model"))
        self._prices[name] = max(self._prices.get(name, 0.0), cost / _units(body))


def _shown_price() -> float:
    """Return the highest price that the document shows for a task: the most that is likely."""
    schemas = packaged().get("components", {}).get("schemas", {}).values()
    rules = [one.get("properties", {}).get("credits_reserved", {}) for one in schemas]
    shown = [value for rule in rules for value in (rule.get("example"), *rule.get("examples", ()))]
    return max((float(one) for one in shown if isinstance(one, int | float)), default=_DEAR)


def _reserved(exchange: Exchange) -> float | None:
    try:
        told = exchange.json()["usage"]["credits_reserved"]
    except (ValueError, LookupError, TypeError):
        return None
    return float(told) if isinstance(told, int | float) else None


def _body(content: bytes | None) -> dict[str, Any]:
    try:
        body = json.loads(content or b"")
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _units(body: Mapping[str, Any]) -> float:
    numbers = (body.get(name, 1) for name in ("duration", "n"))
    return max(1.0, *(float(one) for one in numbers if isinstance(one, int | float)))
