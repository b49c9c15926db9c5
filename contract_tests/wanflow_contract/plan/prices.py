"""What a request may cost: bounded by the documents, and then by the prices that were seen."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.catalog.catalog import packaged_catalog
from wanflow.catalog.document import is_array, is_object, load_packaged
from wanflow.catalog.keywords import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from wanflow.catalog.document import JsonObject
    from wanflow_contract.plan.shared_budget import SharedBudget

MARGIN = 2.0
"""How many times its estimate a request may cost that is unlike those whose price was seen."""
_UNDOCUMENTED = 5.0
_COUNTED = frozenset({"n", "duration"})
_CHARGED = re.compile(r"charged? based on", re.IGNORECASE)
_HEIGHT = re.compile(r"([0-9]{2,5})p", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,6})[x*]([0-9]{1,6})", re.ASCII)


@frozen
class Amount:
    """How much a request asks for, compared with the example of its model.

    `units` is the number of images or the seconds of video, `area` the pixels of one frame.
    """

    units: float = 1.0
    area: float = 1.0

    def times(self, other: Amount) -> float:
        """Return how many times the other this is; never less than once."""
        return max(1.0, self.units / other.units) * max(1.0, self.area / other.area)


_EXAMPLE = Amount()


@frozen
class Prices:
    """Prices of requests, by the documents and by what was seen in any process of the run."""

    seen: SharedBudget

    def estimate(self, body: Mapping[str, Any]) -> float:
        """Return what a request probably costs: as an equal one, or as its document says."""
        known = self._of_equal_request(body)
        return documented_of_model(body) if known is None else known

    def unreported(self, body: Mapping[str, Any]) -> float:
        """Return what a request counts whose receipt reports no price.

        That is what an equal one cost, or a margin more than its document says, or as many times
        as others cost: an estimate, but not the most, which for a cheap model is many times its
        price.
        """
        known = self._of_equal_request(body)
        if known is not None:
            return known
        rows = map(_decoded, self.seen.prices())
        times = (price / documented_of_model(asked) for _, asked, price in rows)
        return max((MARGIN, *times)) * documented_of_model(body)

    def most(self, body: Mapping[str, Any], margin: float = MARGIN) -> float:
        """Return the most that a request may cost.

        An equal request bounds it exactly, unless prices grow during the run. Otherwise the price
        of each other request of the model does, in proportion to what is asked for and with a
        margin; before there is one, the documents, multiplied by how much more than documented
        other models cost, by the highest documented price and by that of each model.
        """
        known = self._of_equal_request(body)
        if known is not None:
            return known * self.seen.growth
        rows = [*map(_decoded, self.seen.prices())]
        wanted, charges = amount_of(body), self.charges(str(body.get("model")))
        own = [
            price * wanted.times(amount_of(asked))
            for model, asked, price in rows
            if model == str(body.get("model")) and (price or not charges)
        ]
        if own:
            return margin * min(own)
        factor = max((price / documented(asked) for _, asked, price in rows), default=1.0)
        of_models = (price / documented_of_model(asked) for _, asked, price in rows)
        own_most = documented_of_model(body) * max(of_models, default=1.0)
        return max(margin * documented(body) * max(1.0, factor), own_most)

    def charges(self, model: str) -> bool:
        """Return whether some request of a model was not free."""
        return any(name == model and price > 0 for name, _, price in self.seen.prices())

    def least(self, body: Mapping[str, Any]) -> float:
        """Return the least that a request costs, 0 if nothing that was seen says so.

        By the documents a price grows with some parameters, such as the number of images. So it is
        at least as many times that of a request that differs in them alone, and of what the
        cheapest request of the model costs for one.
        """
        names = charged_parameters(body)
        units, wanted = units_of(body, names), _without(json.loads(_asked(body)), names)
        rows = [
            (_without(asked, names) == wanted, price / units_of(asked, names))
            for model, asked, price in map(_decoded, self.seen.prices())
            if model == str(body.get("model"))
        ]
        equal = [price for is_equal, price in rows if is_equal]
        several = [min(price for _, price in rows)] if rows and units > 1 else []
        return units * max(equal + several, default=0.0)

    def record(self, body: Mapping[str, Any], price: float, *, grows: bool = False) -> None:
        """Record a price that was reported for a request; see `SharedBudget.add_price`."""
        self.seen.add_price(str(body.get("model")), _asked(body), price, grows=grows)

    def _of_equal_request(self, body: Mapping[str, Any]) -> float | None:
        wanted = (str(body.get("model")), _asked(body))
        found = (price for model, asked, price in self.seen.prices() if (model, asked) == wanted)
        return next(found, None)


def documented(body: Mapping[str, Any]) -> float:
    """Return what a request costs at most by the documents: their highest price for an example.

    More images or seconds, and more pixels, cost in proportion; fewer don't cost less.
    """
    return documented_prices()[1] * amount_of(body).times(_EXAMPLE)


def documented_of_model(body: Mapping[str, Any]) -> float:
    """Return what a request costs by the document of its model, in the same proportion.

    If that names no price, the highest one of all documents counts.
    """
    price = prices_by_model().get(str(body.get("model")), documented_prices()[1])
    return price * amount_of(body).times(_EXAMPLE)


@cache
def documented_prices() -> tuple[float, float]:
    """Return the lowest and the highest documented price of a task in credits."""
    shown = [
        value
        for rule in _price_rules()
        for value in (rule.get("example"), *rule.get("examples", ()))
    ]
    known = [float(one) for one in shown if isinstance(one, int | float) and one > 0]
    return (min(known), max(known)) if known else (_UNDOCUMENTED, _UNDOCUMENTED)


@cache
def prices_by_model() -> dict[str, float]:
    """Return the price that the document of a model names, in credits, by its name."""
    shown = [one for rule in _price_rules() for one in rule.get(EXAMPLES, {}).items()]
    return {name: float(price) for name, price in shown if price > 0}


def _price_rules() -> list[JsonObject]:
    schemas = load_packaged().get("components", {}).get("schemas", {}).values()
    return [one.get("properties", {}).get("credits_reserved", {}) for one in schemas]


def reported_price(receipt: Any) -> float | None:
    """Return the price that a receipt reports, None if it isn't a number from 0 up.

    A faulty server may report it in another place; of several prices the highest counts.
    """
    found = (_price(one.get("credits_reserved")) for one in _objects(receipt))
    return max((price for price in found if price is not None), default=None)


def used_credits(task: Any) -> float | None:
    """Return the highest amount that a response says a task has used, None without any."""
    said = [one.get("credits_used") for one in _objects(task)]
    costs = (one.get("cost") for one in _objects(task))
    said += [one.get("credits") for one in costs if is_object(one)]
    found = [_price(_read(one)) for one in said]
    return max((price for price in found if price is not None), default=None)


def _read(value: Any) -> Any:
    """Return the number that a text has: a faulty server may write its charges so."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return None


def _price(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        price = float(value)
    except OverflowError:
        return math.inf
    return price if price >= 0 else None


def _objects(value: Any) -> Iterator[JsonObject]:
    """Yield the objects within a value; some are nested deeper than calls may be."""
    left = [value]
    while left:
        one = left.pop()
        if is_object(one):
            yield one
            left += one.values()
        elif is_array(one):
            left += one


def amount_of(body: Mapping[str, Any]) -> Amount:
    """Return how much a request asks for."""
    units = area = 1.0
    for name, rule in _parameters(body).items():
        usual = rule.get("default", rule.get("example"))
        value = body.get(name, usual)
        if name in _COUNTED:
            units *= _ratio(_number(value), _number(usual))
        area *= _ratio(_pixels(value), _pixels(usual))
    return Amount(units * units_of(body, charged_parameters(body) - _COUNTED), area)


def charged_parameters(body: Mapping[str, Any]) -> frozenset[str]:
    """Return the parameters by whose values a request is charged, as the documents say."""
    rules = _parameters(body).items()
    return frozenset(name for name, rule in rules if _CHARGED.search(rule.get("description", "")))


def units_of(body: Mapping[str, Any], names: Collection[str]) -> float:
    """Return how many times their usual values some parameters have together."""
    found, rules = 1.0, _parameters(body)
    for name in names:
        usual = rules[name].get("default", rules[name].get("example"))
        found *= _ratio(_number(body.get(name, usual)), _number(usual))
    return found


def _decoded(row: tuple[str, str, float]) -> tuple[str, JsonObject, float]:
    model, asked, price = row
    return model, json.loads(asked), price


def _without(body: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


def _parameters(body: Mapping[str, Any]) -> Mapping[str, JsonObject]:
    model = packaged_catalog().models.get(str(body.get("model")))
    return model.parameters if model is not None else {}


def _ratio(value: float, usual: float) -> float:
    return value / usual if value and usual else 1.0


def _number(value: Any) -> float:
    """Return a positive number, 0 for anything else."""
    known = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        number = float(value) if known else 0.0
    except OverflowError:
        return 1e300
    return number if 0 < number < math.inf else 0.0


def _pixels(value: Any) -> float:
    """Return the pixels that a quality such as 720p or a size such as 640x480 names, else 0."""
    text = value if isinstance(value, str) else ""
    if found := _HEIGHT.fullmatch(text):
        return float(found[1]) ** 2
    if found := _SIZE.fullmatch(text):
        return float(found[1]) * float(found[2])
    return 0.0


def _asked(body: Mapping[str, Any]) -> str:
    """Return a request without what costs nothing: equal texts are those of similar length."""
    rules = _parameters(body)
    kept = {
        name: value if name == "model" else _shortened(value, rules.get(name, {}))
        for name, value in body.items()
        if name != "callback_url"
    }
    return json.dumps(kept, sort_keys=True)


def _shortened(value: Any, rule: JsonObject) -> Any:
    free = isinstance(value, str) and not {"enum", "pattern"} & rule.keys()
    return f"up to {4 ** math.ceil(math.log(max(1, len(value)), 4))} characters" if free else value
