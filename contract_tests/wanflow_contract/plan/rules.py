"""The rules of the requests: each keyword of each field, and what tests it on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.catalog.keywords import PIXEL_SIZE, PUBLIC_URL
from wanflow_contract.checks.documented_responses import packaged_contract
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


@frozen
class Rule:
    """A keyword of a field, and how many valid and invalid values a run sent."""

    model: str
    field: str
    keyword: str
    valid: int = 0
    invalid: int = 0

    @property
    def both(self) -> bool:
        """Whether it was tested on both sides."""
        return self.valid > 0 and self.invalid > 0

    @property
    def missing(self) -> str:
        """The sides that were not tested."""
        sides = (VALID if not self.valid else "", INVALID if not self.invalid else "")
        return " and ".join(filter(None, sides))


def rules_of_run(counts: Mapping[str, int]) -> list[Rule]:
    """Return every rule of every model with how often a run tested it, from the run's counts."""
    return [
        Rule(
            name,
            parameter,
            word,
            counts.get(_name(name, parameter, word, VALID), 0),
            counts.get(_name(name, parameter, word, INVALID), 0),
        )
        for name, model in packaged_contract().catalog.models.items()
        for parameter, word in keywords_of(model)
    ]


def coverage_of(rules: list[Rule]) -> dict[str, Any]:
    """Return the coverage of the rules as data: in all, by field, and those not tested."""
    fields = dict.fromkeys((one.model, one.field) for one in rules)
    return {
        "rules": len(rules),
        "both": sum(one.both for one in rules),
        "fields": [
            {
                "model": model,
                "field": name,
                "rules": len(own),
                "both": sum(one.both for one in own),
            }
            for model, name in fields
            if (own := [one for one in rules if (one.model, one.field) == (model, name)])
        ],
        "untested": [
            {"model": one.model, "field": one.field, "keyword": one.keyword, "side": one.missing}
            for one in rules
            if not one.both
        ],
    }


def coverage_line(coverage: Mapping[str, Any]) -> str:
    """Return the coverage in one sentence."""
    return f"{coverage['both']} of {coverage['rules']} rules tested on both sides"


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
