"""Invalid requests, with what is invalid in each: some for every field of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow_contract.checks.boundaries import probes_of
from wanflow_contract.checks.expectation import Expectation, Expected, packaged_oracle

if TYPE_CHECKING:
    from wanflow.catalog.catalog import Model
    from wanflow.catalog.document import JsonObject


def invalid_requests_of(model: Model) -> list[tuple[JsonObject, Expectation]]:
    """Return the first and the last invalid request for each field of a model."""
    found: dict[str, list[tuple[JsonObject, Expectation]]] = {}
    for probe in probes_of(model):
        expectation = packaged_oracle().expectation(model.operation_id, probe.body)
        if expectation.expected is Expected.REJECT:
            found.setdefault(probe.field, []).append((probe.body, expectation))
    return [one for some in found.values() for one in (some[0], *some[1:][-1:])]


def one_of_each_rule(model: Model) -> list[JsonObject]:
    """Return the first invalid request for each rule of each field of a model."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], JsonObject] = {}
    for probe in probes_of(model):
        expectation = packaged_oracle().expectation(model.operation_id, probe.body)
        if expectation.expected is Expected.REJECT:
            found.setdefault((probe.field, expectation.violated), probe.body)
    return list(found.values())
