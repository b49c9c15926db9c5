"""Requests that combine valid values: each limit, each pair, and unusual values beside them."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from itertools import combinations, product
from typing import Any

import pytest

from self_tests.collected import item_of, steps_of
from wanflow_contract.checks.boundaries import ABSENT, cheapest, probes_of
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.edges import choices_of
from wanflow_contract.checks.expectation import Expected, packaged_oracle
from wanflow_contract.plan.combined import combined_probes
from wanflow_contract.plan.order import Stage
from wanflow_contract.support.callback_urls import PUBLIC_URLS

MODELS = packaged_contract().catalog.models
PROBES = [(model, probe) for model in MODELS.values() for probe in probes_of(model)]


def test_few_valid_requests_are_at_every_limit() -> None:
    """Each valid value of a list and each limit is in one of a few requests, all of them valid."""
    oracle = packaged_oracle()
    sent = Counter[str]()
    for model, probe in combined_probes():
        expectation = oracle.expectation(model.operation_id, probe.body)
        assert expectation.expected is Expected.ACCEPT, (model.name, probe)
        sent[model.name] += probe.at_limits
    assert max(sent.values()) <= 6
    for name, model in MODELS.items():
        bodies = [
            cheapest(model),
            *(one.body for owner, one in combined_probes() if owner is model),
        ]
        for field, rule in model.parameters.items():
            given = [body.get(field) for body in bodies]
            for value in choices_of(rule):
                alone = {**cheapest(model), field: value}
                if oracle.expectation(model.operation_id, alone).expected is Expected.ACCEPT:
                    assert value in given, (name, field, value)


def test_the_first_task_at_limits_has_characters_of_all_kinds() -> None:
    """A server that refuses a script, a sign, an emoji or a line break shows it there."""
    first = {model.name: probe for model, probe in reversed(combined_probes())}
    prompted = [name for name in MODELS if "maxLength" in MODELS[name].parameters["prompt"]]
    assert prompted
    for name in prompted:
        text = first[name].body["prompt"]
        assert len(text) == MODELS[name].parameters["prompt"]["maxLength"]
        scripts = ["LATIN", "CYRILLIC", "HEBREW", "ARABIC", "CJK", "HANGUL", "THAI", "DEVANAGARI"]
        names = {unicodedata.name(one, "").split(" ")[0] for one in text}
        assert names >= set(scripts), name
        assert set("'\"\u2018\u00ab&<>\\{}%$;*`|@#\n\t\u200d\U0001f408") <= set(text), name


def valid(model: Any, body: dict[str, Any]) -> bool:
    return packaged_oracle().expectation(model.operation_id, body).expected is Expected.ACCEPT


def chosen_pairs(model: Any) -> list[dict[str, Any]]:
    """Return each two values of fields: limits, values of lists, yes or no, or absent."""
    few = {
        name: [*choices_of(rule), *([ABSENT] if name not in model.required else [])]
        for name, rule in model.parameters.items()
        if name != "model"
    }
    return [
        {one: a, other: b}
        for one, other in combinations(few, 2)
        for a, b in product(few[one], few[other])
    ]


def with_pair(model: Any, pair: dict[str, Any]) -> dict[str, Any]:
    body = {**cheapest(model), **pair}
    return {name: value for name, value in body.items() if value is not ABSENT}


def has_pair(body: dict[str, Any], pair: dict[str, Any]) -> bool:
    return all(body.get(name, ABSENT) == value for name, value in pair.items())


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
def test_each_pair_of_limits_is_sent(model) -> None:
    """A server may refuse two values together, or take them, that it judges rightly alone."""
    valid_ones = [cheapest(model)]
    valid_ones += [probe.body for owner, probe in combined_probes() if owner is model]
    invalid_ones = [probe.body for owner, probe in PROBES if owner is model]
    number = Counter[bool]()
    for pair in chosen_pairs(model):
        is_valid = valid(model, with_pair(model, pair))
        if is_valid or all(valid(model, with_pair(model, {one: pair[one]})) for one in pair):
            number[is_valid] += 1
            sent = valid_ones if is_valid else invalid_ones
            assert any(has_pair(body, pair) for body in sent), pair
    assert number[True]


def test_pairs_need_few_requests() -> None:
    """One for each pair would be some 460 tasks for the same models."""
    pairs = [probe for _, probe in combined_probes() if probe.for_pairs]
    assert 0 < len(pairs) < 200
    steps = steps_of(
        *(item_of("pairs", model=model, probe=probe) for model, probe in combined_probes())
    )
    stages = [step.stage for step in steps]
    assert stages == sorted(stages)
    assert stages.count(Stage.PAIRS) == len(pairs)


def test_a_value_that_needs_another_one_is_in_the_first_requests_at_limits() -> None:
    """The values that few requests have are most likely forgotten."""
    needy = Counter[str]()
    for name, model in MODELS.items():
        early = [one.body for owner, one in combined_probes() if owner is model and one.at_limits]
        for pair in chosen_pairs(model):
            for field, value in pair.items():
                alone = {**cheapest(model), field: value}
                if valid(model, {**cheapest(model), **pair}) and not valid(model, alone):
                    needy[name] += 1
                    assert value in [body.get(field) for body in early[:2]], (name, field, value)
    assert needy


def test_a_run_sends_the_requests_at_limits_in_their_order() -> None:
    """The first of each model come first, the cheapest of them before the others."""
    items = [item_of("limits", model=model, probe=probe) for model, probe in combined_probes()]
    steps = [step for step in steps_of(*items) if step.stage is Stage.LIMITS]
    numbers = [int(str(step.probe).rpartition("-")[2]) for step in steps]
    assert numbers == sorted(numbers)
    first = [step.credits for step in steps[: numbers.count(0)]]
    assert first == sorted(first)


def test_requests_at_limits_have_each_number_of_results_and_sides_without_a_common_factor() -> None:
    """A server may make fewer files of some number, or refuse sides that aren't multiples of 16."""
    early = [(model.name, probe.body) for model, probe in combined_probes() if probe.at_limits]
    for name, model in MODELS.items():
        bodies = [body for owner, body in early if owner == name]
        if "n" in model.parameters:
            counts = range(model.parameters["n"]["minimum"], model.parameters["n"]["maximum"] + 1)
            assert {body.get("n", 1) for body in bodies} == set(counts)
        if "size" in model.parameters:
            assert math.gcd(*map(int, bodies[0]["size"].split("x"))) == 1


def test_unusual_values_cost_no_task_of_their_own_while_others_have_room_for_them() -> None:
    """The requests at limits have unusual values of their other fields, each of them once."""
    limits = [(model, probe) for model, probe in combined_probes() if probe.at_limits]
    for model, probe in limits:
        assert {one.field for one in probe.edges} >= {"prompt", "callback_url"}, (model.name, probe)
    sent = Counter(
        (one.field, one.name)
        for _, probe in combined_probes()
        for one in probe.edges
        if not one.limit
    )
    assert {number for (field, _), number in sent.items() if field == "callback_url"} == {1}
    early = {probe.body["callback_url"] for _, probe in limits}
    unusual = [one for one in PUBLIC_URLS if re.search(r"[?%]|:8443|xn--|COM", one)]
    assert len(unusual) == 5
    assert early >= set(unusual)


@pytest.mark.parametrize(
    ("model", "probe"), combined_probes(), ids=[str(one) for _, one in combined_probes()]
)
def test_each_part_of_a_combined_request_is_a_valid_request(model, probe) -> None:
    """If many values together are refused, each of them is sent in a request that is valid."""
    for body in probe.parts(model):
        expectation = packaged_oracle().expectation(model.operation_id, body)
        assert expectation.expected is Expected.ACCEPT, body
