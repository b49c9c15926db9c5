"""Which keywords of the request schemas a run tested, with valid and with invalid values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow.catalog.keywords import PIXEL_SIZE, PUBLIC_URL
from wanflow_contract.checks.expectation import Expectation, Expected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wanflow.catalog.catalog import Model
    from wanflow.catalog.document import JsonObject

_CHECKED = frozenset(
    {
        *("type", "enum", "const", "pattern", "format", "minLength", "maxLength"),
        *("minItems", "maxItems", "uniqueItems", "minimum", "maximum", "multipleOf"),
        *("exclusiveMinimum", "exclusiveMaximum", "minProperties", "maxProperties"),
        *(PIXEL_SIZE, PUBLIC_URL),
    }
)
VALID, INVALID = "valid", "invalid"


def keywords_of(model: Model) -> list[tuple[str, str]]:
    """Return each parameter of a model with each keyword that a request can violate, in order."""
    found = [("model", "required"), *((name, "required") for name in model.required)]
    for name, rule in model.parameters.items():
        found += [(name, word) for word in _keywords_of_rule(rule)]
    return list(dict.fromkeys(found))


def _keywords_of_rule(rule: JsonObject) -> Iterator[str]:
    yield from (word for word in rule if word in _CHECKED)
    if rule.get("required"):
        yield "required"
    inside = [rule["items"]] if "items" in rule else []
    for inner in (*inside, *rule.get("properties", {}).values()):
        yield from _keywords_of_rule(inner)


def sides(model: Model, body: Mapping[str, Any], expectation: Expectation) -> Iterator[str]:
    """Yield what a request tests: each keyword that it violates, or all that it satisfies."""
    if expectation.expected is Expected.REJECT:
        broken = expectation.violated
        yield from (_name(model.name, name, word, INVALID) for name, word in broken)
    elif expectation.expected is Expected.ACCEPT:
        given = [(name, word) for name, word in keywords_of(model) if name in body]
        yield from (_name(model.name, name, word, VALID) for name, word in given)


def _name(model: str, parameter: str, keyword: str, side: str) -> str:
    return f"{model} {parameter} {keyword} {side}"


def tried(
    models: Mapping[str, Model], counts: Mapping[str, int]
) -> list[tuple[str, str, int, int]]:
    """Return each model's parameters and keywords with the counts of valid and invalid values."""
    return [
        (
            f"{name} {parameter}",
            word,
            counts.get(_name(name, parameter, word, VALID), 0),
            counts.get(_name(name, parameter, word, INVALID), 0),
        )
        for name, model in models.items()
        for parameter, word in keywords_of(model)
    ]
