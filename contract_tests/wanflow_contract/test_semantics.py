"""Semantics: on both sides of each rule, what is right is taken and the rest is refused."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from wanflow_contract.checks.boundaries import Probe, cheapest, probes_of
from wanflow_contract.checks.documented_responses import packaged_promises
from wanflow_contract.checks.expectation import Word, packaged_judge

if TYPE_CHECKING:
    from wanflow.catalog.catalog import Model

MODELS = list(packaged_promises().catalog.models.values())
assert MODELS, "the document has no models"


def table() -> list[tuple[Model, Probe]]:
    """Every probe of every model, each name once."""
    found = {(model.name, str(one)): (model, one) for model in MODELS for one in probes_of(model)}
    return list(found.values())


TABLE = table()


@pytest.mark.fast
@pytest.mark.parametrize(
    ("model", "probe"), TABLE, ids=[f"{model.name}-{probe}"[:80] for model, probe in TABLE]
)
def test_what_is_right_is_taken_and_what_is_wrong_is_refused(target, model, probe) -> None:
    """A request on the right side of a rule is taken, one on the wrong side is refused."""
    target.post(model, probe.body)
    word = packaged_judge().verdict(model.operation_id, probe.body).word
    target.boundaries[f"{model.name} {probe.field or 'whole'}: {word.value}"] += 1


@pytest.mark.fast
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_each_field_has_requests_on_both_sides(model) -> None:
    """The table of a model has what must be taken and what must be refused, for each field."""
    words = Counter(
        (probe.field, packaged_judge().verdict(model.operation_id, probe.body).word)
        for probe in probes_of(model)
    )
    for name in model.parameters:
        assert words[name, Word.TAKEN], name
        assert words[name, Word.REFUSED], name


@pytest.mark.fast
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_model_is_submitted_where_its_document_says(target, model) -> None:
    """A request sent to the operation of other models is refused there."""
    for other in MODELS:
        if other.path != model.path:
            target.post(other, cheapest(model))
