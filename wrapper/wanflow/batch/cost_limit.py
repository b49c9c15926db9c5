"""The credit limit of a batch: estimates the cost of the next job from jobs of its price class."""

from __future__ import annotations

from collections import Counter
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROUNDING = 1e-9


class Decision(Enum):
    """Whether a job may be sent now."""

    GO = "go"
    WAIT = "wait until the price of the one job of unknown price is reported"
    STOP = "the credit limit is reached"
    UNKNOWN_PRICE = (
        "the price of a job is unknown, because its submission is uncertain or was discarded, or "
        "the API reports no price, so further jobs of unknown price could exceed the credit limit"
    )


@define
class _Cost:
    """The cost of one submission. `credits` is None until the API reports it."""

    price_class: str
    credits: float | None = None
    sending: bool = False
    in_flight: bool = True
    failed: bool = False


@define
class _Prices:
    """Prices of one class, or of all: the current ones, and the highest price ever reported."""

    current: Counter[float] = field(factory=Counter[float])
    highest: float | None = None

    @property
    def estimate(self) -> float | None:
        """The highest current price."""
        return max(self.current, default=None)

    def add(self, price: float) -> None:
        """Add a price."""
        self.current[price] += 1
        self.raise_highest(price)

    def raise_highest(self, price: float) -> None:
        """Add a price that counts only for the limit."""
        self.highest = price if self.highest is None else max(self.highest, price)

    def remove(self, price: float) -> None:
        """Remove a price from the current ones."""
        self.current[price] -= 1
        if not self.current[price]:
            del self.current[price]


@frozen
class _Commitments:
    """The credits that are spent or may be, and the jobs of unknown price."""

    committed: float
    unknown: Mapping[str, _Cost]


@define
class CostLimit:
    """The credits of a batch. `max_credits` is None for no limit.

    Each submission that was or may have been accepted counts, by its key, with the reported price;
    without one, with the highest price of its class, or else of all. So an uncertain submission
    counts with its possible cost, in this run and in later ones, and once more each time that it is
    sent again, unless the API says that it replays the first one. A failed task counts with the
    credits that the API says it used, else with its reservation; it is not used to estimate other
    jobs, because part of its price may have been refunded.
    """

    max_credits: float | None = None
    _costs: dict[str, _Cost] = field(factory=dict[str, _Cost])
    _unpriced: dict[str, _Cost] = field(factory=dict[str, _Cost])
    _prices: dict[str, _Prices] = field(factory=dict[str, _Prices])
    _all_prices: _Prices = field(factory=_Prices)
    _expected: dict[str, float] = field(factory=dict[str, float])
    _resends: Counter[str] = field(factory=Counter[str])
    # Exact, so that the sum doesn't depend on the order of the prices.
    _reported: Fraction = Fraction(0)
    _commitments: _Commitments | None = None

    @property
    def spent(self) -> float:
        """The cost of accepted jobs, and the possible cost of uncertain ones."""
        classes = (cost.price_class for cost in self._unpriced.values() if not cost.sending)
        estimated = sum(Fraction(self._estimate(one)) for one in classes)
        return float(self._reported + estimated)

    @property
    def sent_again(self) -> bool:
        """Whether `spent` counts a submission more than once."""
        return self._resends.total() > 0

    def decide(self, price_class: str, key: str = "") -> Decision:
        """Decide whether a job of a price class may be sent; `key` is that of the submission.

        Its price and all counted costs must stay within the limit. A job of unknown price is
        taken to cost the highest price ever reported, and only one such job may count at a time:
        so the limit is exceeded by the price of one job of unknown price at most.
        """
        if self.max_credits is None:
            return Decision.GO
        commitments = self._current_commitments()
        price = self._highest_price(price_class)
        if price is None:
            others = [cost for name, cost in commitments.unknown.items() if name != key]
            if others:
                return (
                    Decision.WAIT
                    if any(one.in_flight for one in others)
                    else Decision.UNKNOWN_PRICE
                )
            price = max(self._assumed_price(price_class), 2 * _ROUNDING)
        fits = price <= self.max_credits - commitments.committed + _ROUNDING
        return Decision.GO if fits else Decision.STOP

    def reserve(self, key: str, price_class: str) -> None:
        """Count a job that is about to be sent."""
        is_resend = key in self._costs
        self.release(key)
        if is_resend:
            self._add_resends(key, price_class, 1)
        self._costs[key] = self._unpriced[key] = _Cost(price_class, sending=True)

    def expect(self, price_class: str, price: float) -> None:
        """Take a job of a price class to cost at least this, until the API reports a price.

        It is what jobs of other batches cost: a price that may have changed.
        """
        self._expected[price_class] = max(price, self._expected.get(price_class, 0.0))

    def forget_resends(self, key: str) -> None:
        """Count a submission once: the API says that it was accepted once."""
        for number in range(1, self._resends.pop(key, 0) + 1):
            self.release(f"{key} {number}")

    def _add_resends(self, key: str, price_class: str, count: int) -> None:
        """Count the earlier submissions with a key, each of which may have been charged."""
        for _ in range(count):
            self._resends[key] += 1
            name = f"{key} {self._resends[key]}"
            self._costs[name] = self._unpriced[name] = _Cost(price_class, in_flight=False)
        self._commitments = None

    def restore(
        self,
        key: str,
        price_class: str,
        credits: float | None,  # noqa: A002 - the API's word
        *,
        in_flight: bool,
        failed: bool = False,
        price: float | None = None,
        sends: int = 1,
    ) -> None:
        """Count a job that an earlier run submitted; `price` is its cost before it failed.

        It may have been accepted `sends` times.
        """
        self._add_resends(key, price_class, sends - 1)
        self._costs[key] = self._unpriced[key] = _Cost(
            price_class, in_flight=in_flight, failed=failed
        )
        self.record(key, credits)
        if price is not None:
            for prices in (self._prices_of(price_class), self._all_prices):
                prices.raise_highest(price)

    def record(self, key: str, credits: float | None) -> None:  # noqa: A002
        """Record the price of an accepted job as the API reports it, None if it doesn't."""
        cost = self._costs[key]
        cost.sending, self._commitments = False, None
        if credits is None or credits == cost.credits:
            return
        self._remove(key, cost)
        cost.credits = credits
        self._reported += Fraction(credits)
        # That a job was free says nothing of the next one.
        if credits and not cost.failed:
            self._prices_of(cost.price_class).add(credits)
            self._all_prices.add(credits)

    def settle(self, key: str, *, failed: bool = False) -> None:
        """Record that a job is no longer in flight: it is done, was left, or is uncertain."""
        cost = self._costs[key]
        cost.sending, cost.in_flight, self._commitments = False, False, None
        if failed:
            self._remove_price(cost)
            cost.failed = True

    def release(self, key: str) -> None:
        """Stop counting a job that was not accepted."""
        cost = self._costs.pop(key, None)
        self._commitments = None
        if cost is not None:
            self._remove(key, cost)

    def _remove(self, key: str, cost: _Cost) -> None:
        self._unpriced.pop(key, None)
        if cost.credits:
            self._remove_price(cost)
            self._reported -= Fraction(cost.credits)

    def _remove_price(self, cost: _Cost) -> None:
        if cost.credits and not cost.failed:
            self._prices_of(cost.price_class).remove(cost.credits)
            self._all_prices.remove(cost.credits)

    def _current_commitments(self) -> _Commitments:
        if self._commitments is None:
            prices = {
                key: self._highest_price(one.price_class) for key, one in self._unpriced.items()
            }
            unknown = {key: self._unpriced[key] for key, price in prices.items() if price is None}
            estimated = sum(
                self._assumed_price(unknown[key].price_class) if price is None else price
                for key, price in prices.items()
            )
            self._commitments = _Commitments(float(self._reported) + estimated, unknown)
        return self._commitments

    def _prices_of(self, price_class: str) -> _Prices:
        return self._prices.setdefault(price_class, _Prices())

    def _assumed_price(self, price_class: str) -> float:
        """Return what a job of unknown price is taken to cost."""
        return max(self._all_prices.highest or 0.0, self._expected.get(price_class, 0.0))

    def _highest_price(self, price_class: str) -> float | None:
        return self._prices_of(price_class).highest

    def _estimate(self, price_class: str) -> float:
        estimate = self._prices_of(price_class).estimate
        return (self._all_prices.estimate or 0.0) if estimate is None else estimate
