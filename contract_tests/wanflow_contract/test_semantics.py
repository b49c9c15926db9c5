"""Semantics: valid requests are accepted and invalid ones rejected, for each constraint."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING

import pytest

from wanflow_contract.checks.boundaries import Probe, cheapest, probes_of
from wanflow_contract.checks.check import CheckFailed
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import Expected, packaged_oracle
from wanflow_contract.checks.invalid_requests import with_a_fault
from wanflow_contract.checks.refusals import require_accepted
from wanflow_contract.plan.combined import combined_probes

if TYPE_CHECKING:
    from wanflow.catalog.catalog import Model
    from wanflow.catalog.document import JsonObject

MODELS = list(packaged_contract().catalog.models.values())
assert MODELS, "the document has no models"


def table() -> list[tuple[Model, Probe]]:
    """Return every boundary request of every model, each name once."""
    found = {(model.name, str(one)): (model, one) for model in MODELS for one in probes_of(model)}
    return list(found.values())


TABLE = table()
COMBINED = combined_probes()


@pytest.mark.fast
@pytest.mark.parametrize(
    ("model", "probe"), TABLE, ids=[f"{model.name}-{probe}"[:80] for model, probe in TABLE]
)
def test_valid_requests_are_accepted_and_invalid_ones_rejected(target, model, probe) -> None:
    """A request that satisfies a constraint is accepted; one that violates it is rejected."""
    target.post(model, probe.body)
    word = packaged_oracle().expectation(model.operation_id, probe.body).expected
    target.boundaries[f"{model.name} {probe.field or 'whole'}: {word.value}"] += 1


@pytest.mark.fast
@pytest.mark.parametrize(
    ("model", "probe"), COMBINED, ids=[f"{model.name}-{probe}"[:80] for model, probe in COMBINED]
)
def test_many_valid_values_together_are_accepted(target, model, probe) -> None:
    """A request with many valid values is accepted; if not, each is sent on its own."""
    failure = _failure(target, model, probe.body)
    if failure is None:
        return
    parts = [_failure(target, model, body) for body in probe.parts(model)]
    found = [one for one in parts if one is not None] or [failure]
    raise ExceptionGroup(f"{len(found)} values are not accepted", found)


def _failure(target, model, body) -> CheckFailed | None:
    """Return the failed check if a valid request isn't accepted."""
    try:
        exchange = target.post(model, body)
        require_accepted(exchange)
    except CheckFailed as failure:
        return failure
    return None


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_valid_value_beside_an_invalid_one_is_not_named(target, model) -> None:
    """A request with one fault is refused for it, whatever valid values it has: this is free.

    Among them are those with values at limits, with pairs of them, and those that leave out what
    usual ones have. The fault is in several fields in turn: a server that refuses a valid value
    names it only if it checks it before the fault.
    """
    fields, usual = [name for name in model.parameters if name != "model"], cheapest(model)
    orders = (fields, fields[1:], fields[::-1], fields[-2::-1])
    at_limits = [probe.body for other, probe in COMBINED if other is model]
    rest = [probe.body for other, probe in TABLE if other is model and usual.keys() - probe.body]
    pairs = [probe.body for other, probe in COMBINED if other is model and probe.for_pairs]
    for body in (*at_limits, *filter(partial(_is_valid, model), rest)):
        for names in orders:
            target.post(model, with_a_fault(model, body, names))
    for body, names in zip(pairs, cycle(orders), strict=False):
        target.post(model, with_a_fault(model, body, names))


def _is_valid(model: Model, body: JsonObject) -> bool:
    found = packaged_oracle().expectation(model.operation_id, body)
    return found.expected is Expected.ACCEPT


@pytest.mark.fast
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_each_field_has_valid_and_invalid_requests(model) -> None:
    """Each field of a model has requests that must be accepted and that must be rejected."""
    words = Counter(
        (probe.field, packaged_oracle().expectation(model.operation_id, probe.body).expected)
        for probe in probes_of(model)
    )
    for name in model.parameters:
        assert words[name, Expected.ACCEPT], name
        assert words[name, Expected.REJECT], name


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_model_is_rejected_at_the_operation_of_others(target, model) -> None:
    """A request sent to the operation of other models is rejected."""
    for other in MODELS:
        if other.path != model.path:
            target.post(other, cheapest(model))
