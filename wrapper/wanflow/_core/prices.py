"""What a request will cost, from what earlier jobs cost.

The API has no price list. What it charged for a job is the price of the next one with the same
settings, until the provider changes it.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wanflow.catalog.catalog import Catalog

_FREE_TEXT_LENGTH = 100


class EstimateBasis(StrEnum):
    """What an estimate rests on, the best first."""

    SAME_SETTINGS = "same settings"
    """Earlier jobs of this model with the same settings, and all cost the same."""
    CHANGED_PRICE = "changed price"
    """Earlier jobs of this model with the same settings, at more than one price."""
    OTHER_SETTINGS = "other settings"
    """Jobs of this model that differ in one number: a guess in proportion to it."""
    UNKNOWN = "unknown"
    """No job of this model says anything about these settings."""


@frozen
class PriceRecord:
    """What jobs of one price class cost: `jobs` of them, the last at the Unix time `last`."""

    price_class: str
    price: float
    jobs: int
    last: float


@frozen
class Estimate:
    """What a request will cost in credits, from the ledger's earlier jobs on the same server.

    `credits` is the latest price of these settings, or a guess; `lowest` and `highest` are the
    prices that it rests on. All are None if nothing is known. `jobs` counts the jobs, and `last` is
    the Unix time at which the last of them was accepted.
    """

    model: str
    basis: EstimateBasis
    credits: float | None = None
    lowest: float | None = None
    highest: float | None = None
    jobs: int = 0
    last: float | None = None

    @property
    def upper_bound(self) -> float | None:
        """The highest price that these settings ever had; None where that isn't known."""
        known = self.basis in {EstimateBasis.SAME_SETTINGS, EstimateBasis.CHANGED_PRICE}
        return self.highest if known else None

    def describe(self) -> str:
        """Return a sentence for people."""
        jobs = "1 earlier job" if self.jobs == 1 else f"{self.jobs} earlier jobs"
        match self.basis:
            case EstimateBasis.SAME_SETTINGS:
                return f"{self.credits:g} credits, as {jobs} with these settings cost"
            case EstimateBasis.CHANGED_PRICE:
                prices = f"{self.lowest:g} to {self.highest:g}"
                return (
                    f"{self.credits:g} credits, as the last of {jobs} with these settings cost; "
                    f"they cost {prices}"
                )
            case EstimateBasis.OTHER_SETTINGS:
                return (
                    f"about {self.credits:g} credits, a guess from {jobs} of {self.model} with "
                    "other settings"
                )
            case EstimateBasis.UNKNOWN:
                return f"unknown: the ledger has no comparable job of {self.model}"


def estimate_price(model: str, price_class: str, history: Iterable[PriceRecord]) -> Estimate:
    """Estimate the price of a request from what jobs of its model cost."""
    records = list(history)
    same = [record for record in records if record.price_class == price_class]
    if same:
        one_price = len({record.price for record in same}) == 1
        basis = EstimateBasis.SAME_SETTINGS if one_price else EstimateBasis.CHANGED_PRICE
        return _estimate(model, basis, same, max(same, key=lambda record: record.last).price)
    guesses = list(_proportional(price_class, records))
    if not guesses:
        return Estimate(model, EstimateBasis.UNKNOWN)
    _, _, credits = min(guesses, key=lambda guess: (guess[0], -guess[1].last))  # noqa: A001
    return _estimate(
        model, EstimateBasis.OTHER_SETTINGS, [record for _, record, _ in guesses], credits
    )


def _estimate(
    model: str,
    basis: EstimateBasis,
    records: Sequence[PriceRecord],
    credits: float,  # noqa: A002 - the API's word
) -> Estimate:
    prices = [record.price for record in records]
    jobs, last = sum(record.jobs for record in records), max(record.last for record in records)
    return Estimate(model, basis, credits, min(prices), max(prices), jobs, last)


def _proportional(
    price_class: str, records: Iterable[PriceRecord]
) -> Iterator[tuple[float, PriceRecord, float]]:
    """Find the records that differ in one number → how far it is off, the record, the guess."""
    wanted = _settings(price_class)
    for record in records:
        other = _settings(record.price_class)
        names = [
            name for name in wanted.keys() | other.keys() if wanted.get(name) != other.get(name)
        ]
        if len(names) != 1:
            continue
        new, old = wanted.get(names[0]), other.get(names[0])
        if _is_positive(new) and _is_positive(old):
            ratio = float(new) / float(old)
            guess = round(record.price * ratio, 2)
            if math.isfinite(guess):
                yield abs(ratio - 1), record, guess


def _settings(price_class: str) -> Mapping[str, Any]:
    """Return the settings of a price class; none where a ledger has something else there."""
    try:
        found: Any = json.loads(price_class)
    except (ValueError, RecursionError):
        return {}
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _is_positive(value: Any) -> TypeGuard[float]:
    is_number = not isinstance(value, bool) and isinstance(value, int | float)
    return is_number and 0 < value <= sys.float_info.max


def price_class(catalog: Catalog, body: Mapping[str, Any]) -> str:
    """Return what determines the price of a request: its settings, without texts and URLs.

    It is JSON. A setting that is left out counts with the default of the spec. Texts, prompts and
    URLs are null, lists of them are their lengths.
    """
    model = catalog.models.get(str(body.get("model")))
    schemas: Mapping[str, Any] = {} if model is None else model.parameters
    defaults = {name: rule["default"] for name, rule in schemas.items() if "default" in rule}
    facts = {
        name: _without_texts(name, value, schemas.get(name))
        for name, value in {**defaults, **body}.items()
    }
    return json.dumps(facts, sort_keys=True, default=str, separators=(",", ":"))


def _without_texts(name: str, value: Any, schema: Any) -> Any:
    rules = cast("dict[str, Any]", schema) if isinstance(schema, dict) else {}
    if isinstance(value, list | tuple):
        parts = [
            _without_texts(name, part, rules.get("items")) for part in cast("list[object]", value)
        ]
        return len(parts) if all(part is None for part in parts) else parts
    if isinstance(value, Mapping):
        inner, known = cast("Mapping[str, Any]", value), rules.get("properties", {})
        return {
            str(key): _without_texts(str(key), part, known.get(key)) for key, part in inner.items()
        }
    if not isinstance(value, str) or "enum" in rules or "const" in rules:
        return value
    return None if "prompt" in name.lower() or _is_free_text(value, rules) else value


def _is_free_text(text: str, rules: Mapping[str, Any]) -> bool:
    """Whether a string is free text or a URL, not a setting."""
    max_length: Any = rules.get("maxLength", 0)
    return (
        len(text) > _FREE_TEXT_LENGTH
        or "://" in text
        or rules.get("format") == "uri"
        or bool(max_length > _FREE_TEXT_LENGTH)
    )
