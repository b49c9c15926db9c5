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

_LONG_TEXT = 100
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

    kind: str
    credits: float | None = None
    sending: bool = False
    under_way: bool = True
    failed: bool = False


@define
class _Seen:
    """Prices of one kind, or of all: those that count now, and the dearest that was ever seen."""

    now: Counter[float] = field(factory=Counter[float])
    dearest: float | None = None

    @property
    def estimate(self) -> float | None:
        """The dearest price that counts now."""
        return max(self.now, default=None)

    def add(self, price: float) -> None:
        """Take in a price."""
        self.now[price] += 1
        self.raise_to(price)

    def raise_to(self, price: float) -> None:
        """Take in a price that counts for the ceiling alone."""
        self.dearest = price if self.dearest is None else max(self.dearest, price)

    def remove(self, price: float) -> None:
        """Let a price not count any more."""
        self.now[price] -= 1
        if not self.now[price]:
            del self.now[price]


@frozen
class _Standing:
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

    ceiling: float | None = None
    _costs: dict[str, _Cost] = field(factory=dict[str, _Cost])
    _open: dict[str, _Cost] = field(factory=dict[str, _Cost])
    _kinds: dict[str, _Seen] = field(factory=dict[str, _Seen])
    _all: _Seen = field(factory=_Seen)
    # Exact, so that the sum is the same in whatever order the prices came.
    _reported: Fraction = Fraction(0)
    _standing: _Standing | None = None

    @property
    def spent(self) -> float:
        """What accepted jobs cost, and uncertain ones may have cost."""
        kinds = (cost.kind for cost in self._open.values() if not cost.sending)
        guessed = sum(Fraction(self._estimate(kind)) for kind in kinds)
        return float(self._reported + guessed)

    def decide(self, kind: str, key: str = "") -> Decision:
        """Decide whether a job of a kind may be sent; `key` is that of the submission.

        It must fit below the ceiling beside all that is counted. One of unknown price must do so
        with the dearest price that was ever seen, and no other of unknown price may be counted
        yet: so the ceiling is passed by the price of one such job at most.
        """
        if self.ceiling is None:
            return Decision.GO
        standing = self._stand()
        price = self._dearest(kind)
        if price is None:
            others = [cost for name, cost in standing.unknown.items() if name != key]
            if others:
                return (
                    Decision.WAIT
                    if any(one.under_way for one in others)
                    else Decision.UNKNOWN_PRICE
                )
            price = max(self._all.dearest or 0.0, 2 * _ROUNDING)
        fits = price <= self.ceiling - standing.committed + _ROUNDING
        return Decision.GO if fits else Decision.STOP

    def send(self, key: str, kind: str) -> None:
        """Count a job that is about to be sent."""
        again = key in self._costs
        self.release(key)
        self._costs[key] = self._open[key] = _Cost(kind, sending=not again)

    def found(
        self,
        key: str,
        kind: str,
        credits: float | None,  # noqa: A002 - the API's word
        *,
        under_way: bool,
        failed: bool = False,
        price: float | None = None,
    ) -> None:
        """Count a job that an earlier run submitted; `price` is what it cost before it failed."""
        self._costs[key] = self._open[key] = _Cost(kind, under_way=under_way, failed=failed)
        self.report(key, credits)
        if price is not None:
            for seen in (self._seen(kind), self._all):
                seen.raise_to(price)

    def report(self, key: str, credits: float | None) -> None:  # noqa: A002
        """Take in what the API says that an accepted job costs; None where it doesn't say."""
        cost = self._costs[key]
        cost.sending, self._standing = False, None
        if credits is None or credits == cost.credits:
            return
        self._uncount(key, cost)
        cost.credits = credits
        self._reported += Fraction(credits)
        if not cost.failed:
            self._seen(cost.kind).add(credits)
            self._all.add(credits)

    def rest(self, key: str, *, failed: bool = False) -> None:
        """Take in that a job is no longer under way: it ended, was left, or is uncertain."""
        cost = self._costs[key]
        cost.sending, cost.under_way, self._standing = False, False, None
        if failed:
            self._unteach(cost)
            cost.failed = True

    def release(self, key: str) -> None:
        """Count a job no more that was not accepted."""
        cost = self._costs.pop(key, None)
        self._standing = None
        if cost is not None:
            self._uncount(key, cost)

    def _uncount(self, key: str, cost: _Cost) -> None:
        self._open.pop(key, None)
        self._unteach(cost)
        self._reported -= Fraction(cost.credits or 0)

    def _unteach(self, cost: _Cost) -> None:
        if cost.credits is not None and not cost.failed:
            self._seen(cost.kind).remove(cost.credits)
            self._all.remove(cost.credits)

    def _stand(self) -> _Standing:
        if self._standing is None:
            known = {key: self._dearest(one.kind) for key, one in self._open.items()}
            unknown = {key: self._open[key] for key, price in known.items() if price is None}
            dearest = self._all.dearest or 0.0
            guessed = sum(dearest if price is None else price for price in known.values())
            self._standing = _Standing(float(self._reported) + guessed, unknown)
        return self._standing

    def _seen(self, kind: str) -> _Seen:
        return self._kinds.setdefault(kind, _Seen())

    def _dearest(self, kind: str) -> float | None:
        return self._seen(kind).dearest

    def _estimate(self, kind: str) -> float:
        found = self._seen(kind).estimate
        return (self._all.estimate or 0.0) if found is None else found


def price_class(catalog: Catalog, body: Mapping[str, Any]) -> str:
    """Return what the price of a request hangs on: all but its texts and links."""
    model = catalog.models.get(str(body.get("model")))
    schemas: Mapping[str, Any] = {} if model is None else model.parameters
    told = {name: _told(value, schemas.get(name)) for name, value in body.items()}
    return json.dumps(told, sort_keys=True, default=str)


def _told(value: Any, schema: Any) -> Any:
    if isinstance(value, list):
        return len(cast("list[object]", value))
    if isinstance(value, Mapping):
        inner = cast("Mapping[str, Any]", value)
        return {name: _told(part, None) for name, part in inner.items()}
    if isinstance(value, str) and _is_prose(value, schema):
        return None
    return value


def _is_prose(text: str, schema: Any) -> bool:
    """Tell a text that says what is wanted from a word that says how much of it."""
    known = cast("dict[str, Any]", schema) if isinstance(schema, dict) else {}
    longest: Any = known.get("maxLength", 0)
    return len(text) > _LONG_TEXT or known.get("format") == "uri" or bool(longest > _LONG_TEXT)
