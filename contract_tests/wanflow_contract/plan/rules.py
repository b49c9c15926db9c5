"""The rules of the requests: each keyword of each field, and what tests it on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attrs import frozen

from wanflow.catalog.keywords import PIXEL_SIZE, PUBLIC_URL
from wanflow.cli.text import counted
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import Expectation, Expected

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from wanflow.catalog.catalog import Model
    from wanflow.catalog.document import JsonObject
    from wanflow_contract.support.exchange import Exchange

_CHECKED = frozenset(
    {
        *("type", "enum", "const", "pattern", "format", "minLength", "maxLength"),
        *("minItems", "maxItems", "uniqueItems", "minimum", "maximum", "multipleOf"),
        *("exclusiveMinimum", "exclusiveMaximum", "minProperties", "maxProperties"),
        *(PIXEL_SIZE, PUBLIC_URL),
    }
)
VALID, INVALID = "valid", "invalid"
BOTH = (VALID, INVALID)
# Which values of the rules a check judges; other checks judge none.
_JUDGED_BY = {"accepts": VALID, "rejects": INVALID}
# How a server refuses a request for what is in it; other refusals have other reasons.
_FOR_ITS_CONTENT = frozenset({400, 413, 415, 422})


@frozen
class Rule:
    """A keyword of a field, and how many valid and invalid values of it were judged."""

    model: str
    field: str
    keyword: str
    valid: int = 0
    invalid: int = 0

    def missing(self, sides: Collection[str]) -> str:
        """Return which of some sides were not tested, empty if all were."""
        tested = {VALID: self.valid, INVALID: self.invalid}
        return " and ".join(side for side in sides if not tested[side])


def sides_of(only: Collection[str]) -> tuple[str, ...]:
    """Return which sides of the rules a run judges that is limited to some checks, if to any."""
    return tuple(_JUDGED_BY[one] for one in _JUDGED_BY if one in only) if only else BOTH


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


def coverage_of(rules: list[Rule], sides: tuple[str, ...] = BOTH) -> dict[str, Any]:
    """Return the coverage of the rules as data: in all, by field, and those not tested.

    Without any side, no rule belongs to the run. `both` counts the rules tested on all sides.
    """
    rules = rules if sides else []
    fields = dict.fromkeys((one.model, one.field) for one in rules)
    return {
        "sides": list(sides),
        "rules": len(rules),
        "both": sum(not one.missing(sides) for one in rules),
        "fields": [
            {
                "model": model,
                "field": name,
                "rules": len(own),
                "both": sum(not one.missing(sides) for one in own),
            }
            for model, name in fields
            if (own := [one for one in rules if (one.model, one.field) == (model, name)])
        ],
        "untested": [
            {"model": one.model, "field": one.field, "keyword": one.keyword, "side": side}
            for one in rules
            if (side := one.missing(sides))
        ],
    }


def coverage_line(coverage: Mapping[str, Any]) -> str:
    """Return the coverage in one sentence, empty if no rule belongs to the run."""
    sides = coverage["sides"]
    tested = "on both sides" if len(sides) > 1 else f"with {''.join(sides)} values"
    rules = counted(coverage["rules"], "rule")
    return f"{coverage['both']} of {rules} tested {tested}" if sides else ""


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


def judged(
    models: Mapping[str, Model], expectation: Expectation | None, exchange: Exchange
) -> Iterator[str]:
    """Yield what a submission tests, if its response says anything about the request.

    An accepted request tests all keywords that it satisfies, one that must be refused the keywords
    that it violates. A refusal for another reason, and an error of the server, test nothing.
    """
    body = (
        cast("dict[str, Any] | None", exchange.request_body()) if expectation is not None else None
    )
    if expectation is None or not isinstance(body, dict) or not _judges(expectation, exchange):
        return
    model = models.get(str(body.get("model")))
    if model is not None:
        yield from sides(model, body, expectation)
    elif "model" not in body:  # count it for each model of the path
        meant = (one for one in models.values() if one.path == exchange.path)
        yield from (_name(one.name, "model", "required", INVALID) for one in meant)


def _judges(expectation: Expectation, exchange: Exchange) -> bool:
    accepted = exchange.status // 100 == 2
    refused = exchange.status in _FOR_ITS_CONTENT or (
        exchange.status == 404 and expectation.unknown_model
    )
    return accepted or (expectation.expected is Expected.REJECT and refused)


def sides(model: Model, body: Mapping[str, Any], expectation: Expectation) -> Iterator[str]:
    """Yield each keyword that a request violates, or all that it satisfies."""
    if expectation.expected is Expected.REJECT:
        broken = expectation.violated
        yield from (_name(model.name, name, word, INVALID) for name, word in broken)
    elif expectation.expected is Expected.ACCEPT:
        given = [(name, word) for name, word in keywords_of(model) if name in body]
        yield from (_name(model.name, name, word, VALID) for name, word in given)


def _name(model: str, parameter: str, keyword: str, side: str) -> str:
    return f"{model} {parameter} {keyword} {side}"
