"""Invalid requests, with what is invalid in each: some for every field of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow_contract.checks.boundaries import probes_of
from wanflow_contract.checks.expectation import Expectation, Expected, packaged_oracle

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def with_a_fault(model: Model, body: JsonObject, names: Iterable[str]) -> JsonObject:
    """Return a body in which the first of some fields that can be so has a value of another type.

    Whatever refuses another field of it refuses a valid value.
    """
    for name in names:
        wrong: Any = 5 if "properties" in model.parameters[name] else {"a": 5}
        changed = {**body, name: wrong}
        found = packaged_oracle().expectation(model.operation_id, changed)
        if found.expected is Expected.REJECT and found.parameters == {name}:
            return changed
    raise AssertionError(f"{model.name} has no field that can be invalid alone")
