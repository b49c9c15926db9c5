"""Requests at the boundaries of each constraint, generated from the schemas of all models.

Nothing here names a model or a field: a new document gets its requests automatically. Whether a
request must be accepted or rejected is decided in `expectation`.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from attrs import field as attribute
from attrs import frozen

from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.edges import choices_of, edges_of
from wanflow_contract.checks.expectation import Expectation, Expected, packaged_oracle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wanflow.catalog.catalog import Model
    from wanflow.catalog.document import JsonObject

_MODELS = packaged_contract().catalog.models
_SHORT = 200
"""A longer text would make the request of a finding hard to read."""
ABSENT = object()
"""A parameter that is left out."""


@frozen
class Probe:
    """A request at a boundary: its name, the field that it tests, and its body."""

    name: str
    field: str
    body: JsonObject = attribute(repr=False)

    def __str__(self) -> str:
        return f"{self.field}-{self.name}" if self.field else self.name


def probes_of(model: Model) -> Iterator[Probe]:
    """Yield all boundary requests of a model."""
    base = cheapest(model)
    yield Probe("cheapest", "", base)
    yield Probe("example", "", dict(model.example))
    for name in ("model", *model.required):
        rest = {key: one for key, one in base.items() if key != name}
        yield Probe("absent", name, rest)
        for other in (name.upper(), name.title(), f" {name}"):
            yield Probe(f"as-{other}", name, {**rest, other: base[name]})
    for name, rule in model.parameters.items():
        for edge, value in edges_of(rule):
            body = _with(base, name, value)
            yield Probe(edge, name, body)
            yield from _alone(model, Probe(edge, name, body))
    yield from _crossed(model, base)
    yield from _invalid_among(model, base)
    yield from _of_the_model_itself(model, base)


def cheapest(model: Model) -> JsonObject:
    """Return the valid request of a model that should cost least: short, small, one result."""
    body = {name: model.example[name] for name in ("model", *model.required)}
    for name, rule in model.parameters.items():
        numbers = [one for one in rule.get("enum", ()) if isinstance(one, int)]
        if numbers:
            body[name] = min(numbers)
        elif rule.get("type") == "integer" and "minimum" in rule:
            body[name] = rule["minimum"]
        elif name == "quality" and "enum" in rule:
            body[name] = min(rule["enum"], key=_height)
    return body


def _crossed(model: Model, base: JsonObject) -> Iterator[Probe]:
    """Yield each invalid pair of values of two fields, for constraints that involve both.

    A pair without absent values comes in both orders: a server may check a field before it has read
    the other. `plan.combined` has the valid pairs.
    """
    chosen = [(name, choices_of(rule)) for name, rule in model.parameters.items()]
    for at, (first, ours) in enumerate(chosen):
        for second, theirs in chosen[at + 1 :]:
            for a, b in product([ABSENT, *ours], [ABSENT, *theirs]):
                names = ["none" if one is ABSENT else str(one)[-30:] for one in (a, b)]
                body = _with(_with(base, first, a), second, b)
                if _expectation(model, body).expected is not Expected.REJECT:
                    continue
                yield Probe("x".join(names), f"{first}-{second}", body)
                if ABSENT not in (a, b):
                    other = dict(reversed(body.items()))
                    yield Probe("x".join(names) + "-reversed", f"{first}-{second}", other)
    yield from _invalid_beside(model, base, dict(chosen))


def _alone(model: Model, probe: Probe) -> Iterator[Probe]:
    """Yield a value that violates two rules among other values, so that it violates one alone.

    A server that lacks one of the rules refuses the first request, but not this one.
    """
    if _number_of_faults(model, probe.body) < 2:
        return
    for other in _companions(model, probe.field):
        body = _with(other, probe.field, probe.body[probe.field])
        if _number_of_faults(model, body) == 1:
            yield Probe(f"{probe.name}-alone", probe.field, body)
            return


def _number_of_faults(model: Model, body: JsonObject) -> int:
    return len(packaged_oracle().rules.violations(model, body))


def _expectation(model: Model, body: JsonObject) -> Expectation:
    return packaged_oracle().expectation(model.operation_id, body)


def _invalid_beside(
    model: Model, base: JsonObject, chosen: Mapping[str, list[Any]]
) -> Iterator[Probe]:
    """Yield an invalid value of each field beside each choice of another one.

    A server may check a field only if another one has a certain value.
    """
    for name, rule in model.parameters.items():
        inner = rule.get("properties")
        wrong: Any = {next(iter(inner)): "none-of-them"} if inner else ["5", {"a": 5}]
        for other, choices in chosen.items():
            few = [one for one in choices if isinstance(one, bool) or _is_choice(model, other)]
            for value in few[-2:] if other != name else ():
                body = _with(_with(base, other, value), name, wrong)
                yield Probe(f"wrong-beside-{value}", f"{name}-{other}", body)


def _invalid_among(model: Model, base: JsonObject) -> Iterator[Probe]:
    """Yield a slightly wrong value of each field among all choices of all others.

    A server may compare a value with other limits if another field has a certain value.
    """
    for name in model.parameters:
        others = list(_companions(model, name))
        for keyword, value in _one_of_each_keyword(model, name, base).items():
            for number, other in enumerate(others):
                body = _with(other, name, value)
                if _expectation(model, body).expected is Expected.REJECT:
                    yield Probe(f"{keyword}-among-{number}", name, body)


def _one_of_each_keyword(model: Model, name: str, base: JsonObject) -> dict[str, Any]:
    """Return for each keyword of a field a value that violates it alone; one of other models first.

    Values of another type are left to `_invalid_beside`.
    """
    rules = [one.parameters[name] for one in _MODELS.values() if name in one.parameters]
    near = [value for rule in rules for value in choices_of(rule)]
    found = dict[str, Any]()
    for value in [*near, *(one for _, one in edges_of(model.parameters[name]))]:
        violated = _expectation(model, _with(base, name, value)).violated
        if len(violated) == 1 and (keyword := min(violated)[1]) != "type":
            found.setdefault(keyword, value)
    return found


def _companions(model: Model, name: str) -> Iterator[JsonObject]:
    """Yield valid requests that have every choice of every other field between them."""
    short = {
        one: [choice for choice in choices_of(rule) if len(str(choice)) <= _SHORT]
        for one, rule in model.parameters.items()
        if one != name
    }
    others = {one: choices for one, choices in short.items() if choices}
    for number in range(max(map(len, others.values()))):
        body = {one: model.example[one] for one in ("model", *model.required)}
        for other, choices in others.items():
            wider = _with(body, other, choices[number % len(choices)])
            if _expectation(model, wider).expected is Expected.ACCEPT:
                body = wider
        yield body


def _is_choice(model: Model, name: str) -> bool:
    return name != "model" and "enum" in model.parameters[name]


def _of_the_model_itself(model: Model, base: JsonObject) -> Iterator[Probe]:
    name = model.name
    for edge, value in (
        ("unknown", "no-such-model"),
        ("in-capitals", name.upper()),
        ("and-a-space", name + " "),
        ("shortened", name[:-1]),
        ("empty", ""),
        ("a-number", 5),
        ("null", None),
        ("a-list", [name]),
    ):
        yield Probe(edge, "model", {**base, "model": value})
    for other in _MODELS.values():
        if other.operation_id != model.operation_id:
            yield Probe(f"of-another-operation-{other.name}", "model", cheapest(other))


def _with(base: JsonObject, name: str, value: Any) -> JsonObject:
    if value is ABSENT:
        return {key: one for key, one in base.items() if key != name}
    return {**base, name: value}


def _height(word: Any) -> int:
    digits = "".join(char for char in str(word) if char.isdigit())
    return int(digits or 0)
