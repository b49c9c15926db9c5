"""Fit an overlay's update to one schema: what it adds there, and what stands against it.

A document's own word goes before an overlay's: a keyword that the schema has stays as it is unless
the update's is stricter, and a rule that an example or default of the document breaks isn't added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow.catalog.document import JsonObject, is_array, is_object
from wanflow.catalog.keywords import CITES
from wanflow.catalog.patterns import validator_for
from wanflow.spec.overlay.citations import RULES
from wanflow.spec.proof.requests import format_body
from wanflow.spec.read.yaml import same
from wanflow.spec.schema.index import operations_of, reached_by
from wanflow.spec.schema.operations import JSON_MEDIA
from wanflow.spec.schema.value_set import ValueSet, expand, meaning

if TYPE_CHECKING:
    from collections.abc import Iterator

# Keywords that only take values away, whatever stands beside them in a schema.
_CONJOINED = frozenset(
    {
        *("const", "enum", "format", "maximum", "minimum", "multipleOf", "pattern", "uniqueItems"),
        *("exclusiveMaximum", "exclusiveMinimum", "maxItems", "maxLength", "maxProperties"),
        *("minItems", "minLength", "minProperties", "default", "description", "title", "summary"),
    }
)
_CONDITION = frozenset({"if", "then", "else"})


def fitted(document: JsonObject, schema: JsonObject, update: JsonObject) -> JsonObject:
    """Return what of an update is added to a schema: nothing that would loosen what it says."""
    left_out = {
        key
        for key in update.keys() & schema.keys() & RULES
        if not same(schema[key], update[key]) and not _stricter(document, schema, key, update[key])
    }
    kept = {key: value for key, value in update.items() if key not in left_out}
    rests = {key: text for key, text in update.get(CITES, {}).items() if key not in left_out}
    kept.pop(CITES, None)
    return {**kept, CITES: rests} if rests else kept


def _stricter(document: JsonObject, schema: JsonObject, key: str, value: Any) -> bool:
    if is_object(value) or is_array(value) or key == "default" or key.startswith("x-"):
        return False
    return meaning(document, schema).covers(meaning(document, {**schema, key: value}))


def only_adds(schema: JsonObject, update: JsonObject) -> bool:
    """Tell whether an update only adds keywords of which each takes values away."""
    new = update.keys() - schema.keys()
    rest = update.keys() & schema.keys()
    known = all(key in _CONJOINED or key.startswith("x-") for key in new - _CONDITION)
    whole = not new & _CONDITION or not schema.keys() & _CONDITION
    return known and whole and all(key == CITES or same(schema[key], update[key]) for key in rest)


@define
class Shown:
    """The request examples of a document, by the name of each schema that they pass through."""

    _by_schema: dict[str, list[tuple[str, Any]]] = field(factory=dict[str, list[tuple[str, Any]]])

    @classmethod
    def of(cls, document: JsonObject) -> Shown:
        """Take them from the submissions of a merged document."""
        shown = cls()
        for reference, value in _examples(document):
            for name in reached_by(document, {"$ref": reference}):
                shown._by_schema.setdefault(name, []).append((reference, value))
        return shown

    def against(
        self, before: JsonObject, after: JsonObject, name: str, old: JsonObject, new: JsonObject
    ) -> str | None:
        """Say what a document shows and a change of one schema would refuse; None for nothing."""
        if not meaning(after, new).possible():
            return "nothing would be allowed any more"
        own = [(old, new, value) for value in _values(new)]
        variants = [
            ({"$ref": reference}, {"$ref": reference}, value)
            for reference, value in self._by_schema.get(name, ())
        ]
        for one, other, value in [*own, *variants]:
            if _valid(before, one, value) and not _valid(after, other, value):
                return f"the document shows {format_body(value)}"
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


def _valid(document: JsonObject, schema: JsonObject, value: Any) -> bool:
    whole = ValueSet(expand(document, schema, ()))
    return whole.recursive or validator_for(whole.schema).is_valid(value)
