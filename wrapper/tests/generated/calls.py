"""Right and wrong calls of every model of a spec, for type checkers."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING, Any

from wanflow.catalog.document import resolve_ref
from wanflow.spec.generate.parameters_module import RESERVED_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.catalog.catalog import Catalog, Model

Json = dict[str, Any]


def right_calls(catalog: Catalog) -> list[str]:
    """A call of each model with what it requires, one with everything, and one with None."""
    calls: list[str] = []
    for model in catalog.models.values():
        rules = rules_of(catalog, model)
        required = {name: valid(catalog, rules[name]) for name in rules if name in model.required}
        everything = {name: valid(catalog, rule) for name, rule in rules.items()}
        nothing = {**dict.fromkeys(rules), **required}
        calls += [text(model.name, given) for given in (required, everything, nothing)]
    return calls


def wrong_calls(catalog: Catalog) -> dict[str, list[str]]:
    """Calls with one mistake each, by its kind."""
    calls: dict[str, list[str]] = {"model": [], "name": [], "missing": [], "value": []}
    for model in catalog.models.values():
        for kind, call in wrong(catalog, model):
            calls[kind].append(call)
    assert all(calls.values())
    return calls


def wrong(catalog: Catalog, model: Model) -> Iterator[tuple[str, str]]:
    rules = rules_of(catalog, model)
    required = {name: valid(catalog, rules[name]) for name in rules if name in model.required}
    everything = {name: valid(catalog, rule) for name, rule in rules.items()}
    yield "model", text(f"{model.name}-of-tomorrow", required)
    yield "model", text(f"{model.name}-of-tomorrow", everything)
    for value in ("x", 3, None, ["x"]):
        yield "name", text(model.name, {**required, "parameter_of_none": value})
    yield "name", text(model.name, {**everything, "parameter_of_none": 3})
    for other in catalog.models.values():
        for name in rules_of(catalog, other).keys() - rules.keys():
            value = valid(catalog, other.parameters[name])
            yield "name", text(model.name, {**required, name: value})
    for name in required:
        rest = {each: value for each, value in required.items() if each != name}
        yield "missing", text(model.name, rest)
        yield "missing", text(model.name, {**everything, name: None})
    for name, rule in rules.items():
        for value in invalid(catalog, rule):
            yield "value", text(model.name, {**required, name: value})
            yield "value", text(model.name, {**everything, name: value})
            yield "value", text(model.name, {**required, name: value}, first=False)


def text(model: str, given: Json, *, first: bool = True) -> str:
    """A call in the source of a test; the name of the model is its first argument, or its last."""
    arguments = {"model": model, **given} if first else {**given, "model": model}
    return f"({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"


def rules_of(catalog: Catalog, model: Model) -> dict[str, Json]:
    """The schemas of the parameters that a keyword can have."""
    return {
        name: resolve_ref(catalog.document, rule)
        for name, rule in model.parameters.items()
        if name not in RESERVED_PARAMETERS and name.isidentifier() and not keyword.iskeyword(name)
    }


def valid(catalog: Catalog, rule: Json) -> Any:
    """A valid value of a schema."""
    rule = resolve_ref(catalog.document, rule)
    if "enum" in rule:
        return rule["enum"][0]
    for word in ("oneOf", "anyOf"):
        if word in rule:
            return valid(catalog, rule[word][0])
    kind = rule.get("type", "string")
    if kind == "array":
        return [valid(catalog, rule.get("items", {}))]
    if kind == "object":
        return {name: valid(catalog, each) for name, each in rule.get("properties", {}).items()}
    kind = kind if isinstance(kind, str) else kind[0]
    return {"integer": 1, "number": 1.5, "boolean": True}.get(kind, "x")


def invalid(catalog: Catalog, rule: Json) -> list[Any]:
    """Values of other types, one that is not in the enum, and an object with a wrong value."""
    value = valid(catalog, rule)
    if not rule.keys() & {"type", "enum", "oneOf", "anyOf"}:
        return []
    if isinstance(value, dict):
        inside = rule.get("properties", {})
        wrong = [
            {**value, name: bad} for name, each in inside.items() for bad in invalid(catalog, each)
        ]
        return ["x", 3, *wrong]
    if isinstance(value, list):
        return ["x", 3, [3.25]]
    if isinstance(value, bool):
        return ["x", 3]
    if isinstance(value, str):
        return [3, *(["x-of-tomorrow"] if "enum" in rule else [])]
    return ["x", *([-7] if "enum" in rule else [])]
