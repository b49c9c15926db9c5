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
