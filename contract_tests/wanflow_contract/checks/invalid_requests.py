"""Requests that are wrong, with what is wrong in each: some for every field of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow_contract.checks.boundaries import probes_of
from wanflow_contract.checks.expectation import Verdict, Word, packaged_judge

if TYPE_CHECKING:
    from wanflow.catalog.catalog import Model
    from wanflow.catalog.document import JsonObject


def wrong_of(model: Model) -> list[tuple[JsonObject, Verdict]]:
    """Return the first and the last wrong request for each field of a model's table."""
    found: dict[str, list[tuple[JsonObject, Verdict]]] = {}
    for probe in probes_of(model):
        verdict = packaged_judge().verdict(model.operation_id, probe.body)
        if verdict.word is Word.REFUSED:
            found.setdefault(probe.field, []).append((probe.body, verdict))
    return [one for some in found.values() for one in (some[0], *some[1:][-1:])]
