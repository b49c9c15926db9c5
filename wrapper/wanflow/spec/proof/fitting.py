"""Fit the update of an overlay action to one schema.

The source spec takes precedence over an overlay: a keyword of the schema is replaced only by a
stricter one, and a constraint that an example or default of the spec violates isn't added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow.catalog.document import JsonObject, is_array, is_object
from wanflow.catalog.keywords import CITES
from wanflow.catalog.patterns import validator_for
from wanflow.spec.overlay.citations import RULES
from wanflow.spec.proof.requests import format_body
from wanflow.spec.read.yaml import json_equal
from wanflow.spec.schema.index import operations_of
from wanflow.spec.schema.operations import JSON_MEDIA, reachable_names
from wanflow.spec.schema.value_set import ValueSet, inline_references, value_set_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# Keywords that only restrict a schema, whatever else is in it.
_RESTRICTING = frozenset(
    {
        *("const", "enum", "format", "maximum", "minimum", "multipleOf", "pattern", "uniqueItems"),
        *("exclusiveMaximum", "exclusiveMinimum", "maxItems", "maxLength", "maxProperties"),
        *("minItems", "minLength", "minProperties", "default", "description", "title", "summary"),
    }
)
_CONDITIONAL = frozenset({"if", "then", "else"})


def fit_update(document: JsonObject, schema: JsonObject, update: JsonObject) -> JsonObject:
    """Return the part of an update that applies to a schema, without what would loosen it."""
    left_out = {
        key
        for key in update.keys() & schema.keys() & RULES
        if not json_equal(schema[key], update[key])
        and not _is_stricter(document, schema, key, update[key])
    }
    fitting = {key: value for key, value in update.items() if key not in left_out}
    citations = {key: text for key, text in update.get(CITES, {}).items() if key not in left_out}
    fitting.pop(CITES, None)
    return {**fitting, CITES: citations} if citations else fitting


def _is_stricter(document: JsonObject, schema: JsonObject, key: str, value: Any) -> bool:
    if is_object(value) or is_array(value) or key == "default" or key.startswith("x-"):
        return False
    return value_set_of(document, schema).covers(value_set_of(document, {**schema, key: value}))


def only_restricts(schema: JsonObject, update: JsonObject) -> bool:
    """Return whether an update only adds keywords that restrict a schema."""
    new = update.keys() - schema.keys()
    rest = update.keys() & schema.keys()
    known = all(key in _RESTRICTING or key.startswith("x-") for key in new - _CONDITIONAL)
    conditionals_fit = not new & _CONDITIONAL or not schema.keys() & _CONDITIONAL
    return (
        known
        and conditionals_fit
        and all(key == CITES or json_equal(schema[key], update[key]) for key in rest)
    )


@define
class RequestExamples:
    """The request examples of a spec, by the name of each schema that applies to them."""

    _by_schema: dict[str, list[tuple[str, Any]]] = field(factory=dict[str, list[tuple[str, Any]]])

    @classmethod
    def of(cls, document: JsonObject) -> RequestExamples:
        """Collect the examples of a merged spec's submissions."""
        collected = cls()
        for reference, value in _examples(document):
            for name in reachable_names(document, {"$ref": reference}):
                collected._by_schema.setdefault(name, []).append((reference, value))
        return collected

    def reason_against(
        self, before: JsonObject, after: JsonObject, name: str, old: JsonObject, new: JsonObject
    ) -> str | None:
        """Return which example a changed schema would reject; None if there is none."""
        if not value_set_of(after, new).may_have_values():
            return "no value would be valid any more"
        own = [(old, new, value) for value in _values(new)]
        variants = [
            ({"$ref": reference}, {"$ref": reference}, value)
            for reference, value in self._by_schema.get(name, ())
        ]
        for one, other, value in [*own, *variants]:
            if _is_valid(before, one, value) and not _is_valid(after, other, value):
                return f"the spec has the example {format_body(value)}"
        return None


def _examples(document: JsonObject) -> Iterator[tuple[str, Any]]:
    for _, _, node in operations_of(document):
        media: JsonObject = node.get("requestBody", {}).get("content", {}).get(JSON_MEDIA, {})
        mapping = media.get("schema", {}).get("discriminator", {}).get("mapping", {})
        for example in media.get("examples", {}).values():
            value = example.get("value")
            model = value.get("model") if is_object(value) else None
            if model in mapping:
                yield mapping[model], value


def _values(schema: JsonObject) -> list[Any]:
    single = [schema[key] for key in ("example", "default") if key in schema]
    return [*single, *schema.get("examples", ())]


def _is_valid(document: JsonObject, schema: JsonObject, value: Any) -> bool:
    values = ValueSet(inline_references(document, schema, ()))
    return values.is_recursive or validator_for(values.schema).is_valid(value)
