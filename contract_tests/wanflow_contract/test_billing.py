"""Money: what a request costs follows from the request, as far as the documents say."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import Law
from wanflow_contract.checks.documented_responses import packaged_promises
from wanflow_contract.checks.invalid_requests import wrong_of

MODELS = list(packaged_promises().catalog.models.values())

PRECHARGE = Law("pre-charge", "A request is charged in advance by what the documents say it is.")
QUALITY = Law("quality-price", "What the documents call a lower price is a lower one.")
FREE = Law("refused-free", "A refused submission charges nothing.")
SAME = Law("same-price", "Equal requests cost the same, and a default costs what it stands for.")
SEVERAL = Law("no-surcharge", "Several pictures of one request cost no more than of several.")
WORDS = Law("unpriced", "What the documents put no price on costs nothing: words, a callback.")
BOOKED = Law("booked-once", "A submission is booked once, by what its receipt says; a look isn't.")

_CHARGED = re.compile(r"pre-charged? based on the (?:value of )?`(\w+)`(?: value)?", re.IGNORECASE)
_OPTION = re.compile(r"`([^`]+)`: ([^\n]*?(lower|standard|higher) price)", re.IGNORECASE)
_CENT, _SLIGHTLY = 0.011, 0.1
_ORDER = ("lower", "standard", "higher")
CHARGED = [
    (model.name, name, found[0])
    for model in MODELS
    for name, rule in model.parameters.items()
    if (found := _CHARGED.search(rule.get("description", "")))
    and ("enum" in rule or {"minimum", "maximum"} <= rule.keys())
]
PRICED = [
    (model.name, name, options)
    for model in MODELS
    for name, rule in model.parameters.items()
    if (options := _OPTION.findall(rule.get("description", "")))
]
DEFAULTS = [
    (model.name, name, rule["default"])
    for model in MODELS
    for name, rule in model.parameters.items()
    if "default" in rule
]


def price(target, body: dict[str, Any]):
    """What a request reserves, None where the server doesn't say; and its exchange."""
    life = target.submit(body)
    usage = life.receipt.get("usage")
    return (usage.get("credits_reserved") if isinstance(usage, dict) else None), life.first


def counts(rule: dict[str, Any]) -> list[int]:
    """Some values of a counted parameter, from the smallest to the largest."""
    numbers = sorted(one for one in rule.get("enum", ()) if isinstance(one, int))
    return numbers or sorted({*range(rule["minimum"], rule["maximum"])[:7], rule["maximum"]})


@pytest.mark.fast
@pytest.mark.parametrize(("name", "field", "sentence"), CHARGED)
def test_more_is_charged_for_more(target, name, field, sentence) -> None:
    """What a request is pre-charged by raises its price."""
    model = target.models[name]
    body = cheapest(model)
    seen = [(one, *price(target, {**body, field: one})) for one in counts(model.parameters[field])]
    if any(cost is None for _, cost, _ in seen):
        pytest.skip("the server doesn't say what it reserves")
    for (less, low, first), (more, high, second) in pairwise(seen):
        detail = f"{low} for {field} {less}, {high} for {more}"
        least = low * (1 + _SLIGHTLY * (more - less) / less)
        PRECHARGE.holds(least < high, detail, first, second, rests_on=sentence)
    if "maximum" in model.parameters[field]:
        (one, base, first), *others = seen
        for more, cost, exchange in others:
            detail, fair = f"{base} for {one}, {cost} for {more}", base * more / one
            SEVERAL.holds(cost <= fair + _rounding(more, base, cost), detail, first, exchange)


def _rounding(count: int, *prices: float) -> float:
    """The most that rounding adds to the difference of some prices of so many units."""
    unit = 1.0 if all(price == int(price) for price in prices) else 0.01
    return unit * (count + 1) / 2


@pytest.mark.fast
@pytest.mark.parametrize(("name", "field", "options"), PRICED)
def test_prices_rise_with_quality(target, name, field, options) -> None:
    """A lower price is below the standard price, and that below a higher one."""
    body = cheapest(target.models[name])
    ranked = sorted(options, key=lambda option: _ORDER.index(option[2].lower()))
    seen = [(price(target, {**body, field: value}), sentence) for value, sentence, _ in ranked]
    for ((low, first), _), ((high, second), sentence) in pairwise(seen):
        if low is not None and high is not None:
            free = low == high == 0
            QUALITY.holds(low < high or free, f"{low} and {high}", first, second, rests_on=sentence)


@pytest.mark.fast
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_equal_requests_cost_the_same(target, model) -> None:
    """The same request costs the same a moment later, by the same rule."""
    body = cheapest(model)
    (one, first), (two, second) = price(target, body), price(target, body)
    SAME.holds(one == two, f"{one}, then {two}", first, second)


@pytest.mark.fast
@pytest.mark.parametrize(("name", "field", "default"), DEFAULTS)
def test_a_default_costs_what_it_stands_for(target, name, field, default) -> None:
    """Leaving a parameter out costs what its default costs."""
    body = {key: one for key, one in cheapest(target.models[name]).items() if key != field}
    (left_out, first), (written, second) = (
        price(target, body),
        price(target, {**body, field: default}),
    )
    SAME.holds(left_out == written, f"{left_out} and {written}", first, second)


@pytest.mark.fast
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_words_cost_nothing(target, model) -> None:
    """What is asked for in more words, or to be told of, costs the same."""
    body = cheapest(model)
    (plain, first), told = price(target, body), {"callback_url": "https://example.com/hook"}
    usage = first.json().get("usage") or {}
    wordy = {"prompt": "a cat on a mat, and a dog, and a hat. " * 12}
    for more in (told, wordy if usage.get("billing_rule") != "per_token" else {}):
        if more.keys() <= model.parameters.keys():
            cost, second = price(target, {**body, **more})
            WORDS.holds(cost == plain, f"{plain}, and {cost} with {[*more]}", first, second)


@pytest.mark.fast
@pytest.mark.controls
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_refused_request_costs_nothing(target, model) -> None:
    """What is reserved and spent stays as it is when requests are refused."""
    before = target.account_terms()
    seen = [target.post(model, body) for body, _ in wrong_of(model)]
    after = target.account_terms()
    names = ("reserved", "spent", "submitted")
    same = all(before.get(name) == after.get(name) for name in names)
    FREE.holds(same, f"{before}, then {after}", *seen[-3:])


@pytest.mark.fast
@pytest.mark.controls
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_submission_is_booked_once(target, model) -> None:
    """An account's credits fall by what the receipt says, and not again by a replay or looks."""
    before = booked(target)
    key = {"Idempotency-Key": f"booked-{uuid4().hex}"}
    life = target.submit(cheapest(model), **key)
    exchange, usage = life.first, life.receipt.get("usage") or {}
    for _ in range(2 if target.idempotent else 0):
        exchange = target.post(model, life.asked, headers=key)
    for _ in range(6):
        target.look(life)
    spent, told = booked(target) - before, usage.get("credits_reserved")
    BOOKED.holds(abs(spent - told) < _CENT, f"{spent} for {told}", life.first, exchange, life.last)


def booked(target) -> float:
    """What the suite's account has reserved and spent, its tasks being over."""
    terms = target.account_terms()
    return float(terms["reserved"] + terms["spent"])


def test_the_documents_say_what_is_charged_in_advance() -> None:
    """Were the sentences reworded, the laws on prices would rest on nothing."""
    assert CHARGED
    assert PRICED
    assert DEFAULTS
