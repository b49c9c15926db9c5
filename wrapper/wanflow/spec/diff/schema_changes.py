"""Compare two schemas: the accepted values by proof, and other keywords by value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow.catalog.keywords import KEYWORDS
from wanflow.catalog.schema_walk import iter_subschemas
from wanflow.spec.diff.change import Change
from wanflow.spec.errors import ProofFailed
from wanflow.spec.proof.requests import format_body
from wanflow.spec.read.yaml import json_equal
from wanflow.spec.schema.value_set import ValueSet, value_set_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.catalog.document import JsonObject


def lenient_value_set(document: JsonObject, schema: JsonObject) -> ValueSet:
    """Return the values that a schema accepts; one with broken references is used unchanged."""
    try:
        return value_set_of(document, schema)
    except (LookupError, TypeError, ValueError, RecursionError):
        return ValueSet(schema)


def request_changes(place: str, before: ValueSet, after: ValueSet) -> Iterator[Change]:
    """Compare accepted requests: fewer is breaking, more is additive."""
    less, more = "a body that used to pass is refused", "a body passes that used to be refused"
    yield from _lost(("WF114", "WF120"), place, after, before, less)
    yield from _lost(("WF311", "WF317"), place, before, after, more)


def response_changes(place: str, before: ValueSet, after: ValueSet) -> Iterator[Change]:
    """Compare possible responses: more is breaking for readers, fewer is additive."""
    more, less = "an answer may come that couldn't before", "an answer doesn't come any more"
    yield from _lost(("WF119", "WF120"), place, before, after, more)
    yield from _lost(("WF316", "WF317"), place, after, before, less)


def _lost(
    kinds: tuple[str, str], place: str, one: ValueSet, other: ValueSet, what: str
) -> Iterator[Change]:
    """Describe what the first lacks of the second, with an example body, or that it is unknown."""
    try:
        if one.covers(other):
            return
        body = one.example_outside(other)
    except (ProofFailed, ValueError):
        body = None
    known = body is not None
    yield Change(kinds[0] if known else kinds[1], place, what if known else _UNKNOWN, body)


_UNKNOWN = "it isn't known to mean what it meant"


def keyword_changes(place: str, before: Any, after: Any, home: str) -> Iterator[Change]:
    """Compare what the proof doesn't cover: defaults and this project's own keywords."""
    old, new = dict(iter_subschemas(before, "")), dict(iter_subschemas(after, ""))
    for at in old.keys() & new.keys():
        for key in ("default", *KEYWORDS):
            one, other = old[at].get(key), new[at].get(key)
            if json_equal(one, other):
                continue
            loose = other is None or (one is None and key == "default")
            strict = "WF115" if key == "default" else "WF116"
            what = f"{at or '/'}: {key} is {_or_nothing(other)}, not {_or_nothing(one)}"
            says = frozenset({f"{home}{at}/{key}"})
            yield Change("WF312" if loose else strict, place, what, says=says)


def _or_nothing(value: Any) -> str:
    return "nothing" if value is None else format_body(value)
