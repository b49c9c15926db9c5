"""What the next job will cost, by what its like have cost, and whether the ceiling allows it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

from attrs import define, field, frozen

if TYPE_CHECKING:
    from wanflow.catalog.catalog import Catalog

_FREE_TEXT_LENGTH = 100
_ROUNDING = 1e-9


class Decision(Enum):
    """Whether a job may be sent now."""

    GO = "go"
    WAIT = "wait until the price of the one job of unknown price is reported"
    STOP = "it would pass the ceiling"
    UNKNOWN_PRICE = (
        "the price of a job is not known, because its submission is uncertain or the API reports "
        "no price of its kind, so the ceiling can't be kept for other jobs of unknown price"
    )


@define
class _Cost:
    """What one submission costs: `credits` None as long as the API reported none."""

    price_class: str
    credits: float | None = None
    sending: bool = False
    in_flight: bool = True
    failed: bool = False


@define
class _Prices:
    """Prices of one kind, or of all: those that count now, and the dearest that was ever seen."""

    current: Counter[float] = field(factory=Counter[float])
    highest: float | None = None

    @property
    def estimate(self) -> float | None:
        """The dearest price that counts now."""
        return max(self.current, default=None)

    def add(self, price: float) -> None:
        """Take in a price."""
        self.current[price] += 1
        self.raise_highest(price)

    def raise_highest(self, price: float) -> None:
        """Take in a price that counts for the ceiling alone."""
        self.highest = price if self.highest is None else max(self.highest, price)

    def remove(self, price: float) -> None:
        """Let a price not count any more."""
        self.current[price] -= 1
        if not self.current[price]:
            del self.current[price]


@frozen
class _Commitments:
    """What the ceiling has to allow for: all that is counted, and the jobs of unknown price."""

    committed: float
    unknown: Mapping[str, _Cost]


@define
class CostLimit:
    """Credits of a batch: `ceiling` None is no end of them.

    Each submission that was or may have been accepted is counted, by its key: as what the API
    reported, else as the dearest of its kind, else as the dearest of all. So a job whose submission
    is uncertain counts as what it may have cost, in this run and in the next one. A failed task
    counts as what the API says that it used, else as its reservation. It is no example for the
    price of others: what was given back is not what the next one costs.
    """

    max_credits: float | None = None
    _costs: dict[str, _Cost] = field(factory=dict[str, _Cost])
    _unpriced: dict[str, _Cost] = field(factory=dict[str, _Cost])
    _prices: dict[str, _Prices] = field(factory=dict[str, _Prices])
    _all_prices: _Prices = field(factory=_Prices)
    # Exact, so that the sum is the same in whatever order the prices came.
    _reported: Fraction = Fraction(0)
    _commitments: _Commitments | None = None

    @property
    def spent(self) -> float:
        """What accepted jobs cost, and uncertain ones may have cost."""
        kinds = (cost.price_class for cost in self._unpriced.values() if not cost.sending)
        guessed = sum(Fraction(self._estimate(kind)) for kind in kinds)
        return float(self._reported + guessed)

    def decide(self, price_class: str, key: str = "") -> Decision:
        """Decide whether a job of a kind may be sent; `key` is that of the submission.

        It must fit below the ceiling beside all that is counted. One of unknown price must do so
        with the dearest price that was ever seen, and no other of unknown price may be counted
        yet: so the ceiling is passed by the price of one such job at most.
        """
        if self.max_credits is None:
            return Decision.GO
        standing = self._current_commitments()
        price = self._highest_price(price_class)
        if price is None:
            others = [cost for name, cost in standing.unknown.items() if name != key]
            if others:
                return (
                    Decision.WAIT
                    if any(one.in_flight for one in others)
                    else Decision.UNKNOWN_PRICE
                )
            price = max(self._all_prices.highest or 0.0, 2 * _ROUNDING)
        fits = price <= self.max_credits - standing.committed + _ROUNDING
        return Decision.GO if fits else Decision.STOP

    def reserve(self, key: str, price_class: str) -> None:
        """Count a job that is about to be sent."""
        again = key in self._costs
        self.release(key)
        self._costs[key] = self._unpriced[key] = _Cost(price_class, sending=not again)

    def restore(
        self,
        key: str,
        price_class: str,
        credits: float | None,  # noqa: A002 - the API's word
        *,
        in_flight: bool,
        failed: bool = False,
        price: float | None = None,
    ) -> None:
        """Count a job that an earlier run submitted; `price` is what it cost before it failed."""
        self._costs[key] = self._unpriced[key] = _Cost(
            price_class, in_flight=in_flight, failed=failed
        )
        self.record(key, credits)
        if price is not None:
            for seen in (self._prices_of(price_class), self._all_prices):
                seen.raise_highest(price)

    def record(self, key: str, credits: float | None) -> None:  # noqa: A002
        """Take in what the API says that an accepted job costs; None where it doesn't say."""
        cost = self._costs[key]
        cost.sending, self._commitments = False, None
        if credits is None or credits == cost.credits:
            return
        self._remove(key, cost)
        cost.credits = credits
        self._reported += Fraction(credits)
        if not cost.failed:
            self._prices_of(cost.price_class).add(credits)
            self._all_prices.add(credits)

    def settle(self, key: str, *, failed: bool = False) -> None:
        """Take in that a job is no longer under way: it ended, was left, or is uncertain."""
        cost = self._costs[key]
        cost.sending, cost.in_flight, self._commitments = False, False, None
        if failed:
            self._remove_price(cost)
            cost.failed = True

    def release(self, key: str) -> None:
        """Count a job no more that was not accepted."""
        cost = self._costs.pop(key, None)
        self._commitments = None
        if cost is not None:
            self._remove(key, cost)

    def _remove(self, key: str, cost: _Cost) -> None:
        self._unpriced.pop(key, None)
        self._remove_price(cost)
        self._reported -= Fraction(cost.credits or 0)

    def _remove_price(self, cost: _Cost) -> None:
        if cost.credits is not None and not cost.failed:
            self._prices_of(cost.price_class).remove(cost.credits)
            self._all_prices.remove(cost.credits)

    def _current_commitments(self) -> _Commitments:
        if self._commitments is None:
            known = {
                key: self._highest_price(one.price_class) for key, one in self._unpriced.items()
            }
            unknown = {key: self._unpriced[key] for key, price in known.items() if price is None}
            dearest = self._all_prices.highest or 0.0
            guessed = sum(dearest if price is None else price for price in known.values())
            self._commitments = _Commitments(float(self._reported) + guessed, unknown)
        return self._commitments

    def _prices_of(self, price_class: str) -> _Prices:
        return self._prices.setdefault(price_class, _Prices())

    def _highest_price(self, price_class: str) -> float | None:
        return self._prices_of(price_class).highest

    def _estimate(self, price_class: str) -> float:
        found = self._prices_of(price_class).estimate
        return (self._all_prices.estimate or 0.0) if found is None else found


def price_class(catalog: Catalog, body: Mapping[str, Any]) -> str:
    """Return what the price of a request hangs on: all but its texts and links."""
    model = catalog.models.get(str(body.get("model")))
    schemas: Mapping[str, Any] = {} if model is None else model.parameters
    told = {name: _without_texts(value, schemas.get(name)) for name, value in body.items()}
    return json.dumps(told, sort_keys=True, default=str)


def _without_texts(value: Any, schema: Any) -> Any:
    if isinstance(value, list):
        return len(cast("list[object]", value))
    if isinstance(value, Mapping):
        inner = cast("Mapping[str, Any]", value)
        return {name: _without_texts(part, None) for name, part in inner.items()}
    if isinstance(value, str) and _is_free_text(value, schema):
        return None
    return value


def _is_free_text(text: str, schema: Any) -> bool:
    """Tell a text that says what is wanted from a word that says how much of it."""
    known = cast("dict[str, Any]", schema) if isinstance(schema, dict) else {}
    longest: Any = known.get("maxLength", 0)
    return (
        len(text) > _FREE_TEXT_LENGTH
        or known.get("format") == "uri"
        or bool(longest > _FREE_TEXT_LENGTH)
    )
