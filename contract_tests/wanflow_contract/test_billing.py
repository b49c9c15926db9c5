"""Billing: what a request costs follows from the request, as far as the documents say."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.charges import charged_fields
from wanflow_contract.checks.definitions.billing import (
    AS_DEFAULT_PRICE,
    CHARGED_ONCE,
    FAILED_FREE,
    NO_CHARGE,
    NO_SURCHARGE,
    QUALITY,
    REJECTED_FREE,
    SAME,
)
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.faulty_field import request_field
from wanflow_contract.checks.invalid_requests import invalid_requests_of
from wanflow_contract.plan.order import Stage

MODELS = list(packaged_contract().catalog.models.values())

_OPTION = re.compile(r"`([^`]+)`: ([^\n]*?(lower|standard|higher) price)", re.IGNORECASE)
_CENT = 0.011
_ORDER = ("lower", "standard", "higher")
CHARGED_FIELDS = [
    pytest.param(
        model.name,
        name,
        marks=pytest.mark.costs(2, stage=Stage.PRICES if "enum" in rule else Stage.SEVERAL),
    )
    for model in MODELS
    for name, rule in model.parameters.items()
    if name in charged_fields(model) and ("enum" in rule or {"minimum", "maximum"} <= rule.keys())
]
PRICED_OPTIONS = [
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


def price(target, body: dict[str, Any], *, again: bool = False):
    """Return what a request reserves (None if the server doesn't say) and its exchange.

    With a small budget, an equal request of this run is used, unless it is to be sent again.
    """
    history = (None if again else target.equal_task(body)) or target.submit(body)
    usage = history.receipt.get("usage")
    return (usage.get("credits_reserved") if isinstance(usage, dict) else None), history.first


def counts(rule: dict[str, Any]) -> list[int]:
    """Return some values of a count parameter in ascending order."""
    numbers = sorted(one for one in rule.get("enum", ()) if isinstance(one, int))
    return numbers or sorted({*range(rule["minimum"], rule["maximum"])[:7], rule["maximum"]})


@pytest.mark.fast
@pytest.mark.parametrize(("name", "field"), CHARGED_FIELDS)
def test_a_larger_request_costs_more(target, name, field) -> None:
    """A larger value of the parameter that is charged raises the price, and no more than it.

    That it does is checked for each two requests that differ in it alone.
    """
    rule = target.models[name].parameters[field]
    values = counts(rule)[: None if target.budget.ample else 2]
    body = cheapest(target.models[name])
    seen = [(one, *price(target, {**body, field: one})) for one in values]
    if any(cost is None for _, cost, _ in seen):
        pytest.skip("the server doesn't say what it reserves")
    if "maximum" in rule:
        (one, base, first), *others = seen
        for more, cost, exchange in others:
            detail, fair = f"{base} for {one}, {cost} for {more}", base * more / one
            NO_SURCHARGE.require(
                cost <= fair + _rounding(more, base, cost),
                detail,
                first,
                exchange,
                pointer=request_field(field),
                shape=f"{name}: a surcharge",
            )


def _rounding(count: int, *prices: float) -> float:
    """Return the maximum difference that rounding adds to prices of so many units."""
    unit = 1.0 if all(price == int(price) for price in prices) else 0.01
    return unit * (count + 1) / 2


@pytest.mark.fast
@pytest.mark.costs(3, stage=Stage.PRICES)
@pytest.mark.parametrize(("name", "field", "options"), PRICED_OPTIONS)
def test_prices_rise_with_quality(target, name, field, options) -> None:
    """A lower price is below the standard price, and that is below a higher price."""
    check_options(target, name, field, options, cheapest(target.models[name]))


def check_options(target, name, field, options, body) -> None:
    """Check that the prices of a request with each option are in the order of the documents."""
    ranked = sorted(options, key=lambda option: _ORDER.index(option[2].lower()))
    seen = [(price(target, {**body, field: value}), sentence) for value, sentence, _ in ranked]
    for ((low, first), _), ((high, second), sentence) in pairwise(seen):
        if low is not None and high is not None:
            least = 1 if all(one == int(one) for one in (low, high)) else 0
            QUALITY.require(
                low < high or low == high <= least,
                f"{low} and {high}",
                first,
                second,
                cites=sentence,
                pointer=request_field(field),
                shape=f"{name}: no higher price",
            )


@pytest.mark.fast
@pytest.mark.costs(6)
@pytest.mark.parametrize(("name", "field", "options"), PRICED_OPTIONS)
def test_prices_rise_with_quality_whatever_is_charged_by(target, name, field, options) -> None:
    """Each quality at each number of seconds, and so the seconds at each quality."""
    model = target.models[name]
    for charged in charged_fields(model):
        for number in counts(model.parameters[charged]):
            check_options(target, name, field, options, {**cheapest(model), charged: number})


@pytest.mark.fast
@pytest.mark.costs(2)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_equal_requests_cost_the_same(target, model) -> None:
    """The same request costs the same when it is repeated."""
    body = cheapest(model)
    (one, first), (two, second) = price(target, body), price(target, body, again=True)
    SAME.require(
        one == two, f"{one}, then {two}", first, second, shape=f"{model.name}: other prices"
    )


@pytest.mark.fast
@pytest.mark.costs(2, stage=Stage.PRICES)
@pytest.mark.parametrize(("name", "field", "default"), DEFAULTS)
def test_an_omitted_parameter_costs_the_same_as_its_default(target, name, field, default) -> None:
    """Omitting a parameter costs the same as giving its default."""
    body = {key: one for key, one in cheapest(target.models[name]).items() if key != field}
    (left_out, first), (written, second) = (
        price(target, body),
        price(target, {**body, field: default}),
    )
    AS_DEFAULT_PRICE.require(
        left_out == written,
        f"{left_out} and {written}",
        first,
        second,
        pointer=request_field(field),
        shape=f"{name}: other prices",
    )


@pytest.mark.fast
@pytest.mark.costs(3)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_text_length_and_callbacks_cost_nothing(target, model) -> None:
    """A longer prompt and a callback URL cost nothing."""
    body = cheapest(model)
    (plain, first), callback = price(target, body), {"callback_url": "https://example.com/hook"}
    usage = (first.decoded() or {}).get("usage") or {}
    wordy = {"prompt": "a cat on a mat, and a dog, and a hat. " * 12}
    for more in (callback, wordy if usage.get("billing_rule") != "per_token" else {}):
        if more.keys() <= model.parameters.keys():
            cost, second = price(target, {**body, **more})
            NO_CHARGE.require(
                cost == plain,
                f"{plain}, and {cost} with {[*more]}",
                first,
                second,
                pointer=request_field(next(iter(more), "")),
                shape=f"{model.name}: another price",
            )


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.mock_controls
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_rejected_request_costs_nothing(target, model) -> None:
    """Rejected requests change neither the reserved nor the spent credits."""
    before = target.controls.account_status(target.authorization())
    seen = [target.post(model, body) for body, _ in invalid_requests_of(model)]
    after = target.controls.account_status(target.authorization())
    names = ("reserved", "spent", "submitted")
    same = all(before.get(name) == after.get(name) for name in names)
    REJECTED_FREE.require(
        same, f"{before}, then {after}", *seen[-3:], shape=f"{model.name}: charged"
    )


@pytest.mark.fast
@pytest.mark.mock_controls
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_submission_is_charged_once(target, model) -> None:
    """An account is charged once as the receipt says, and not again for a replay or polls."""
    before = credits_used(target)
    key = {"Idempotency-Key": f"booked-{uuid4().hex}"}
    history = target.submit(cheapest(model), **key)
    exchange, usage = history.first, history.receipt.get("usage") or {}
    for _ in range(2 if target.idempotent else 0):
        exchange = target.post(model, history.request, headers=key)
    for _ in range(6):
        target.poll(history)
    spent, due = credits_used(target) - before, usage.get("credits_reserved")
    if due is None:
        pytest.skip("the server doesn't say what it reserves")
    CHARGED_ONCE.require(
        abs(spent - due) < _CENT,
        f"{spent} for {due}",
        history.first,
        exchange,
        history.last,
        shape=f"{model.name}: another amount",
    )


@pytest.mark.fast
@pytest.mark.mock_controls
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_failed_task_is_not_charged(target, model) -> None:
    """A task that fails generates nothing, so that its credits are released."""
    before = credits_used(target)
    history = target.submit({**cheapest(model), "prompt": "a cat [mock:fail=generation_timeout]"})
    target.wait(history)
    charged = credits_used(target) - before
    FAILED_FREE.require(abs(charged) < _CENT, f"{charged} credits", history.first, history.last)


def credits_used(target) -> float:
    """Return what the suite's account has reserved and spent."""
    terms = target.controls.account_status(target.authorization())
    return float(terms["reserved"] + terms["spent"])


def test_the_documents_state_what_is_charged() -> None:
    """If the sentences were reworded, the price tests would test nothing."""
    assert CHARGED_FIELDS
    assert PRICED_OPTIONS
    assert DEFAULTS
