"""Valid requests that test many rules together: one paid task instead of one for each value.

A server may refuse two values that are valid together, and take each of them beside others: so all
pairs of values are sent, too.
"""

from __future__ import annotations

import math
from functools import cache, reduce
from itertools import combinations
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen
from attrs import field as attribute

from wanflow_contract.checks.boundaries import ABSENT, Probe, cheapest
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.edges import choices_of, edges_of
from wanflow_contract.checks.expectation import Expected, packaged_oracle
from wanflow_contract.plan.prices import amount_of, documented_of_model

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

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
    value: Any = attribute(repr=False, eq=False)
    limit: bool = attribute(default=False, eq=False)
    expensive: bool = attribute(default=False, eq=False)
    beside: Edge | None = attribute(default=None, eq=False)

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
    for_pairs: bool = False
    """Whether it is sent for pairs of values, each of which another request has, too."""

    @property
    def at_limits(self) -> bool:
        """Whether some value is at a limit or one of a list that no request before it has."""
        return not self.for_pairs and any(one.limit for one in self.edges)

    def parts(self, model: Model) -> Iterator[JsonObject]:
        """Yield for each unusual value a request that has only this one."""
        for edge in self.edges:
            yield reduce(_with, edge.all, cheapest(model))


@cache
def combined_probes() -> list[tuple[Model, CombinedProbe]]:
    """Return requests that have each valid limit of each model, and each unusual value once.

    The requests with limits have unusual values of their other fields, too. The unusual values that
    are left are sent with the cheapest model that has the field. The last ones have each pair of
    limits that no request before them has.
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
    pairs = [(model, probe) for model, some in edges for probe in _pairs(model, some, limits)]
    return [*limits, *shared, *pairs]


def _pairs(
    model: Model, edges: list[Edge], sent: list[tuple[Model, CombinedProbe]]
) -> Iterator[CombinedProbe]:
    """Yield requests that have between them each valid pair of limits that was not sent."""
    limits = [*(edge for edge in edges if edge.limit), *_usual(model)]
    left = {
        frozenset(two): body
        for two in combinations(limits, 2)
        if (body := _with_all(model, two)) is not None
    }
    for probe in (probe for owner, probe in sent if owner is model):
        left = _without(left, probe.body)
    number = 0
    while left:
        two = min(left, key=lambda one: _size(left[one]))
        chosen, body = [edge for edge in limits if edge in two], left[two]
        free = [edge for edge in limits if not edge.expensive]
        while free:
            edge = max(free, key=lambda one: _number_of_pairs(left, one, chosen))
            free = [one for one in free if one is not edge]
            if wider := _with_all(model, [*chosen, edge]):
                chosen, body = [*chosen, edge], wider
        left = _without(left, body)
        yield CombinedProbe(f"pairs-{number}", "", body, tuple(chosen), for_pairs=True)
        number += 1


def _number_of_pairs(pairs: Container[frozenset[Edge]], edge: Edge, chosen: list[Edge]) -> int:
    return sum(frozenset({edge, one}) in pairs for one in chosen)


def _without(pairs: dict[frozenset[Edge], JsonObject], body: JsonObject) -> dict[Any, JsonObject]:
    """Return the pairs that a request does not have."""
    return {
        two: wider
        for two, wider in pairs.items()
        if any(body.get(edge.field, ABSENT) != edge.value for edge in two)
    }


def _usual(model: Model) -> Iterator[Edge]:
    """Yield the values of the cheapest request, and that it lacks the other parameters."""
    base = cheapest(model)
    for name in model.parameters:
        if name != "model":
            value = base.get(name, ABSENT)
            yield Edge(name, _label(value), value, limit=True)


def _with_all(model: Model, edges: Sequence[Edge]) -> JsonObject | None:
    """Return the cheapest request with some values of different fields, None if it is not valid.

    What a value needs beside it is there only if the other values leave that open.
    """
    fields = {edge.field for edge in edges}
    if len(fields) < len(edges):
        return None
    needed = (edge.beside for edge in edges if edge.beside and edge.beside.field not in fields)
    body = reduce(_with, (*needed, *edges), cheapest(model))
    return body if _is_valid(model, body) else None


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
