"""What the next job will cost, by what its like have cost, and whether the ceiling allows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

from attrs import define, field

if TYPE_CHECKING:
    from wanflow.spec.catalog import Catalog

_LONG_TEXT = 100
_ROUNDING = 1e-9


class Verdict(Enum):
    """Whether a job may be sent now."""

    GO = "go"
    WAIT = "wait until the first of its kind has told its price"
    STOP = "it would pass the ceiling"
    BLIND = "the API tells no price of its kind, so the ceiling can't be kept"


@define
class Prices:
    """Credits of a batch: `ceiling` None is no end of them.

    `spent` is what accepted jobs cost or may have cost. A failed task counts as its reservation
    did, unless the API says what it used: the ceiling errs on the safe side.
    """

    ceiling: float | None = None
    spent: float = 0.0
    _known: dict[str, float] = field(factory=dict[str, float])
    _first: set[str] = field(factory=set[str])
    _blind: set[str] = field(factory=set[str])
    _bound: dict[str, float] = field(factory=dict[str, float])

    def judge(self, kind: str) -> Verdict:
        """Decide whether a job of a kind may be sent."""
        if self.ceiling is None:
            return Verdict.GO
        left = self.ceiling - self.spent - sum(self._bound.values())
        price = self._known.get(kind)
        if price is None:
            if kind in self._blind:
                return Verdict.BLIND
            if kind in self._first:
                return Verdict.WAIT
            return Verdict.GO if left > _ROUNDING else Verdict.STOP
        if price <= left + _ROUNDING:
            return Verdict.GO
        return Verdict.STOP

    def begin(self, name: str, kind: str) -> None:
        """Count a job that is about to be sent as its like have cost."""
        price = self._known.get(kind)
        if price is None:
            self._first.add(kind)
        self._bound[name] = price or 0.0

    def tell(self, name: str, kind: str, credits: float | None) -> None:  # noqa: A002 - the API's word
        """Take in what an accepted job costs; None where the API doesn't say it yet."""
        expected = self._bound.pop(name, 0.0)
        self.spent += expected if credits is None else credits
        self._learn(kind, credits)

    def settle(self, kind: str, before: float | None, after: float | None) -> None:
        """Take in what an ended job cost, where it said `before` what it would."""
        if after is not None:
            self.spent += after - (before or 0.0)
            self._learn(kind, after)
        elif kind not in self._known:
            self._blind.add(kind)
            self._first.discard(kind)

    def _learn(self, kind: str, credits: float | None) -> None:  # noqa: A002
        if credits is not None:
            self._known[kind] = max(credits, self._known.get(kind, 0.0))
            self._first.discard(kind)
            self._blind.discard(kind)

    def doubt(self, name: str, kind: str) -> None:
        """Leave a job counted whose submission is in doubt."""
        self.spent += self._bound.pop(name, 0.0)
        self._first.discard(kind)

    def forget(self, name: str, kind: str) -> None:
        """Take back a job that was not accepted."""
        self._bound.pop(name, None)
        self._first.discard(kind)


def kind_of(catalog: Catalog, body: Mapping[str, Any]) -> str:
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
