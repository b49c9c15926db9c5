"""Which keywords of the request schemas a run has tried, and on which of their sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow.catalog.keywords import PIXEL_SIZE, PUBLIC_URL
from wanflow_contract.checks.expectation import Verdict, Word

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wanflow.catalog.catalog import Model
    from wanflow.catalog.document import JsonObject

_JUDGED = frozenset(
    {
        *("type", "enum", "const", "pattern", "format", "minLength", "maxLength"),
        *("minItems", "maxItems", "uniqueItems", "minimum", "maximum", "multipleOf"),
        *("exclusiveMinimum", "exclusiveMaximum", "minProperties", "maxProperties"),
        *(PIXEL_SIZE, PUBLIC_URL),
    }
)
KEPT, BROKEN = "kept", "broken"


def keywords_of(model: Model) -> list[tuple[str, str]]:
    """Return each parameter of a model with each keyword that a request can break, in order."""
    found = [("model", "required"), *((name, "required") for name in model.required)]
    for name, rule in model.parameters.items():
        found += [(name, word) for word in _words(rule)]
    return list(dict.fromkeys(found))


def _words(rule: JsonObject) -> Iterator[str]:
    yield from (word for word in rule if word in _JUDGED)
    if rule.get("required"):
        yield "required"
    inside = [rule["items"]] if "items" in rule else []
    for inner in (*inside, *rule.get("properties", {}).values()):
        yield from _words(inner)


def sides(model: Model, body: Mapping[str, Any], verdict: Verdict) -> Iterator[str]:
    """Yield what a request tries: each keyword that it breaks, or all that it keeps."""
    if verdict.word is Word.REFUSED:
        broken = verdict.broken
        yield from (_name(model.name, name, word, BROKEN) for name, word in broken)
    elif verdict.word is Word.TAKEN:
        given = [(name, word) for name, word in keywords_of(model) if name in body]
        yield from (_name(model.name, name, word, KEPT) for name, word in given)


def _name(model: str, parameter: str, keyword: str, side: str) -> str:
    return f"{model} {parameter} {keyword} {side}"


def tried(
    models: Mapping[str, Model], counts: Mapping[str, int]
) -> list[tuple[str, str, int, int]]:
    """Return each model's parameter and keyword, with how often it was kept and broken."""
    return [
        (
            f"{name} {parameter}",
            word,
            counts.get(_name(name, parameter, word, KEPT), 0),
            counts.get(_name(name, parameter, word, BROKEN), 0),
        )
        for name, model in models.items()
        for parameter, word in keywords_of(model)
    ]
