"""Valid requests that test many rules together: one paid task instead of one for each value."""

from __future__ import annotations

import math
from functools import cache, reduce
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen
from attrs import field as attribute

from wanflow_contract.checks.boundaries import ABSENT, Probe, cheapest
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.edges import choices_of, edges_of
from wanflow_contract.checks.expectation import Expected, packaged_oracle
from wanflow_contract.plan.prices import amount_of, documented_of_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.catalog.catalog import Model
    from wanflow.catalog.document import JsonObject

_FEW = 8
"""Of fewer whole numbers than these, each is one of a list."""


@frozen
class Edge:
    """A valid value of a parameter; `limit` says that it is at a limit or one of a list.

    `beside` is the value of another parameter without which it isn't valid.
    """

    field: str
    name: str
    value: Any = attribute(repr=False)
    limit: bool = False
    expensive: bool = False
    beside: Edge | None = None

    @property
    def all(self) -> tuple[Edge, ...]:
        """The value that it needs, and itself."""
        return (self,) if self.beside is None else (self.beside, self)

    @property
    def is_unusual(self) -> bool:
        """Whether it is neither at a limit nor expensive."""
        return not self.limit and not self.expensive


@frozen
class CombinedProbe(Probe):
    """A valid request with several unusual values, and those of them that are not the base's."""

    edges: tuple[Edge, ...] = attribute(repr=False, default=())

    @property
    def at_limits(self) -> bool:
        """Whether some value is at a limit or one of a list."""
        return any(one.limit for one in self.edges)

    def parts(self, model: Model) -> Iterator[JsonObject]:
        """Yield for each unusual value a request that has only this one."""
        for edge in self.edges:
            yield reduce(_with, edge.all, cheapest(model))


@cache
def combined_probes() -> list[tuple[Model, CombinedProbe]]:
    """Return requests that have each valid limit of each model, and each unusual value once.

    The requests with limits have unusual values of their other fields, too. The unusual values that
    are left are sent with the cheapest model that has the field.
    """
    models = sorted(packaged_contract().catalog.models.values(), key=price_of)
    edges = [(model, list(_edges(model))) for model in models]
    sent = set[tuple[str, str]]()
    limits = [
        (model, _with_unusual(model, probe, some, sent))
        for model, some in edges
        for probe in _combined(model, [one for one in some if one.limit], "limits")
    ]
    shared: list[tuple[Model, CombinedProbe]] = []
    for model, some in edges:
        left = [one for one in some if one.is_unusual and (one.field, one.name) not in sent]
        shared += ((model, probe) for probe in _combined(model, left, "unusual"))
        sent |= {(one.field, one.name) for one in left}
    return [*limits, *shared]


def _with_unusual(
    model: Model, probe: CombinedProbe, edges: list[Edge], sent: set[tuple[str, str]]
) -> CombinedProbe:
    """Return a request with an unusual value of each other field that wasn't sent yet."""
    body, chosen = probe.body, list(probe.edges)
    for edge in edges:
        free = edge.is_unusual and all(edge.field != one.field for one in chosen)
        new = free and (edge.field, edge.name) not in sent
        if new and _is_valid(model, _with(body, edge)):
            body = _with(body, edge)
            chosen.append(edge)
            sent.add((edge.field, edge.name))
    return CombinedProbe(probe.name, probe.field, body, tuple(chosen))


def _edges(model: Model) -> Iterator[Edge]:
    base, usual = cheapest(model), _size(cheapest(model))
    for name, rule in model.parameters.items():
        limits = [*choices_of(rule), *([ABSENT] if name not in model.required else [])]
        given = list(edges_of(rule)) + [(_label(one), one) for one in limits]
        seen = list[Any]()
        for label, value in given:
            limit = label.endswith("+0") or value in limits or _is_of_few(rule, value)
            edge = Edge(name, label, value, limit)
            body = _with(base, edge)
            if body == base or value in seen:
                continue
            if _is_valid(model, body):
                seen.append(value)
                yield evolve(edge, expensive=_size(body) > usual)
            elif limit and (needed := list(_needed(model, edge))):
                seen.append(value)
                yield evolve(edge, beside=needed[len(seen) % len(needed)])


def _is_of_few(rule: JsonObject, value: Any) -> bool:
    """Return whether a value is one of a few whole numbers."""
    few = rule.get("maximum", math.inf) - rule.get("minimum", -math.inf) < _FEW
    return few and isinstance(value, int) and not isinstance(value, bool)


def _needed(model: Model, edge: Edge) -> Iterator[Edge]:
    """Yield the values of other lists beside which a value is valid that isn't valid alone."""
    usual = _size(cheapest(model))
    for name, rule in model.parameters.items():
        for value in rule.get("enum", ()) if name not in {edge.field, "model"} else ():
            other = Edge(name, str(value), value, limit=True)
            body = _with(cheapest(model), other)
            if _is_valid(model, body) and _is_valid(model, _with(body, edge)):
                yield evolve(other, expensive=_size(body) > usual)


def _combined(model: Model, edges: list[Edge], kind: str) -> Iterator[CombinedProbe]:
    """Yield requests with as many edges as fit together, at most one of them expensive."""
    left, number = sorted(edges, key=lambda one: (one.beside is None, one.expensive)), 0
    while left:
        body, chosen = cheapest(model), list[Edge]()
        for edge in left:
            wider = reduce(_with, edge.all, body)
            if _fits(edge, chosen) and _is_valid(model, wider):
                body = wider
                chosen += edge.all
        left = [one for one in left if one not in chosen]
        if not chosen:
            return
        yield CombinedProbe(f"{kind}-{number}", "", body, tuple(chosen))
        number += 1


def _fits(edge: Edge, chosen: list[Edge]) -> bool:
    """Return whether its fields are free, and no second value is expensive."""
    taken = {one.field for one in chosen}
    expensive = sum(one.expensive for one in (*chosen, *edge.all))
    return all(one.field not in taken for one in edge.all) and expensive <= 1


def _label(value: Any) -> str:
    return "absent" if value is ABSENT else str(value)[:30]


def _with(body: JsonObject, edge: Edge) -> JsonObject:
    rest = {name: value for name, value in body.items() if name != edge.field}
    return rest if edge.value is ABSENT else {**rest, edge.field: edge.value}


def price_of(model: Model) -> tuple[float, float]:
    """Return what the cheapest request of a model costs by its document, and its size."""
    return documented_of_model(cheapest(model)), _size(cheapest(model))


def _size(body: JsonObject) -> float:
    amount = amount_of(body)
    return amount.units * amount.area


def _is_valid(model: Model, body: JsonObject) -> bool:
    expectation = packaged_oracle().expectation(model.operation_id, body)
    return expectation.expected is Expected.ACCEPT
