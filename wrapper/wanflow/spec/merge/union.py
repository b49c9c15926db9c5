"""Merge schemas of the same name into their union.

Objects are merged property by property; a property that only one has is taken from it. Everything
else is merged only if the result is exactly the union (types, enums, overlapping bounds); otherwise
it becomes an `anyOf`.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from attrs import frozen

from wanflow.catalog.document import escape_key, is_object
from wanflow.catalog.keywords import EXAMPLES
from wanflow.spec.merge.decisions import DecisionKind, DecisionLog
from wanflow.spec.schema.equality import (
    ANNOTATIONS,
    TEXT_KEYWORDS,
    canonical_key,
    equal,
    equal_at,
    examples_of,
)

if TYPE_CHECKING:
    from wanflow.catalog.document import JsonObject

_SCALARS = frozenset({"string", "integer", "number", "boolean", "null"})
# Each bound, with the function that returns the less strict of two.
_BOUNDS = {
    "minimum": min,
    "minLength": min,
    "minItems": min,
    "maximum": max,
    "maxLength": max,
    "maxItems": max,
}


def merge_scalars(schemas: list[JsonObject]) -> JsonObject | None:
    """Return one schema that is exactly the union of schemas of scalars; None if there is none."""
    types = [_types_of(schema) for schema in schemas]
    if not all(kinds and kinds <= _SCALARS for kinds in types):
        return None
    return _merge_same_type(schemas) if len(set(types)) == 1 else _merge_types(schemas, types)


def _types_of(schema: JsonObject) -> frozenset[str]:
    named = schema.get("type", ())
    return frozenset([named] if isinstance(named, str) else named)


def _merge_same_type(schemas: list[JsonObject]) -> JsonObject | None:
    """Merge schemas of one type that differ in enum or bounds."""
    if any("enum" in schema for schema in schemas):
        return _merge_enums(schemas)
    if not equal(schemas, _BOUNDS):
        return None
    merged = {key: value for key, value in schemas[0].items() if key not in _BOUNDS}
    if not _ranges_overlap(schemas):
        return None
    for bound, laxer in _BOUNDS.items():
        if all(bound in schema for schema in schemas):
            merged[bound] = laxer(schema[bound] for schema in schemas)
    return merged


def _merge_enums(schemas: list[JsonObject]) -> JsonObject | None:
    """Merge enums; the union with a schema of only the type is the type."""
    free = [schema for schema in schemas if "enum" not in schema]
    if free:
        return free[0] if all(set(schema) == {"type"} for schema in free) else None
    if not equal(schemas, {"enum"}):
        return None
    values = {json.dumps(value): value for schema in schemas for value in schema["enum"]}
    return {**schemas[0], "enum": list(values.values())}


def _ranges_overlap(schemas: list[JsonObject]) -> bool:
    """Return whether the union of the ranges is one range without gaps."""
    for low, high in (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")):
        ranges = sorted((s.get(low, float("-inf")), s.get(high, float("inf"))) for s in schemas)
        reach = ranges[0][1]
        for start, end in ranges[1:]:
            if start > reach:
                return False
            reach = max(reach, end)
    changed = [key for key in _BOUNDS if not equal_at(schemas, key)]
    return len({key[3:].lower() for key in changed}) <= 1


def _merge_types(schemas: list[JsonObject], types: list[frozenset[str]]) -> JsonObject | None:
    """Merge types; None if there are other keywords, which would apply to all types."""
    if any(set(schema) != {"type"} for schema in schemas):
        return None
    return {"type": sorted({kind for kinds in types for kind in kinds})}


_OBJECT_KEYWORDS = frozenset({"type", "properties", "required", "additionalProperties"})
_MAX_TEXT_LENGTH = 80


@frozen
class SourceSchema:
    """A schema and the name of its source spec."""

    source: str
    schema: JsonObject


class SchemaUnion:
    """Merges schemas, and records its decisions."""

    def __init__(self, decisions: DecisionLog) -> None:
        self._decisions = decisions

    def merge_exactly(self, source_schemas: list[SourceSchema], at: str) -> JsonObject | None:
        """Merge schemas into one; None if their union can only be expressed by `anyOf`."""
        core = self._merge_constraints(source_schemas, at)
        return None if core is None else {**core, **self._merge_annotations(source_schemas, at)}

    def merge(self, source_schemas: list[SourceSchema], at: str) -> JsonObject:
        """Merge schemas into one, as `anyOf` if there is no simpler way."""
        if (merged := self.merge_exactly(source_schemas, at)) is not None:
            return merged
        by_schema: dict[str, list[SourceSchema]] = {}
        for one in source_schemas:
            by_schema.setdefault(canonical_key(one.schema), []).append(one)
        distinct = {
            key: self._merge_constraints(same, at) or same[0].schema
            for key, same in by_schema.items()
        }
        self._decisions.add(
            DecisionKind.WIDENED,
            at,
            f"any of {len(distinct)} different schemas",
            _source_names(source_schemas),
        )
        branches = [
            {
                keyword: value
                for keyword, value in distinct[key].items()
                if keyword not in ANNOTATIONS
            }
            for key in sorted(distinct)
        ]
        return {"anyOf": branches, **self._merge_annotations(source_schemas, at)}

    def _merge_constraints(self, source_schemas: list[SourceSchema], at: str) -> JsonObject | None:
        schemas = [one.schema for one in source_schemas]
        if any("$ref" in schema for schema in schemas):
            # Keywords beside a reference apply together with it, so all of them must be equal.
            same = len({canonical_key(schema) for schema in schemas}) == 1
            return {k: v for k, v in schemas[0].items() if k not in ANNOTATIONS} if same else None
        if all(_is_object(schema) for schema in schemas):
            return self._merge_objects(source_schemas, at)
        if len({canonical_key(schema) for schema in schemas}) == 1 and "items" not in schemas[0]:
            return {k: v for k, v in schemas[0].items() if k not in ANNOTATIONS}
        if all(schema.get("type") == "array" for schema in schemas):
            return self._merge_arrays(source_schemas, at)
        return self._merge_scalars(source_schemas, at)

    def _merge_objects(self, source_schemas: list[SourceSchema], at: str) -> JsonObject | None:
        schemas = [one.schema for one in source_schemas]
        if not equal(schemas, _OBJECT_KEYWORDS - {"type"}) or not equal_at(
            schemas, "additionalProperties"
        ):
            return None
        names = list(dict.fromkeys(name for s in schemas for name in s.get("properties", {})))
        closed = schemas[0].get("additionalProperties", True) is not True
        if closed and any(set(s.get("properties", {})) != set(names) for s in schemas):
            return None
        rest = {
            k: v
            for k, v in schemas[0].items()
            if k not in _OBJECT_KEYWORDS and k not in ANNOTATIONS
        }
        core: JsonObject = {"type": "object", **rest}
        if required := self._merge_required(source_schemas, at):
            core["required"] = required
        core["properties"] = {
            name: self._merge_property(source_schemas, name, at) for name in names
        }
        if "additionalProperties" in schemas[0]:
            core["additionalProperties"] = schemas[0]["additionalProperties"]
        return core

    def _merge_property(self, source_schemas: list[SourceSchema], name: str, at: str) -> JsonObject:
        matching = [
            SourceSchema(one.source, one.schema["properties"][name])
            for one in source_schemas
            if name in one.schema.get("properties", {})
        ]
        return self.merge(matching, f"{at}/properties/{escape_key(name)}")

    def _merge_required(self, source_schemas: list[SourceSchema], at: str) -> list[str]:
        lists: list[list[str]] = [one.schema.get("required", []) for one in source_schemas]
        common = [name for name in lists[0] if all(name in names for names in lists)]
        for name in sorted({name for names in lists for name in names} - set(common)):
            who = [one.source for one in source_schemas if name in one.schema.get("required", [])]
            self._decisions.add(DecisionKind.WIDENED, at, f"`{name}` is required only by some", who)
        return common

    def _merge_arrays(self, source_schemas: list[SourceSchema], at: str) -> JsonObject | None:
        schemas = [one.schema for one in source_schemas]
        if not equal(schemas, {"items"}) or not all(is_object(s.get("items")) for s in schemas):
            return None
        items = self.merge_exactly(
            [SourceSchema(one.source, one.schema["items"]) for one in source_schemas], f"{at}/items"
        )
        if items is None:
            return None
        constraints = {k: v for k, v in schemas[0].items() if k not in ANNOTATIONS}
        return {**constraints, "items": items}

    def _merge_scalars(self, source_schemas: list[SourceSchema], at: str) -> JsonObject | None:
        schemas = [
            {k: v for k, v in one.schema.items() if k not in ANNOTATIONS} for one in source_schemas
        ]
        merged = merge_scalars(schemas)
        if merged is not None:
            originals = "; ".join(sorted({json.dumps(s, sort_keys=True) for s in schemas}))
            self._decisions.add(
                DecisionKind.WIDENED,
                at,
                f"`{json.dumps(merged)}` of {originals}",
                _source_names(source_schemas),
            )
        return merged

    def _merge_annotations(self, source_schemas: list[SourceSchema], at: str) -> JsonObject:
        notes: JsonObject = {}
        for keyword in TEXT_KEYWORDS:
            texts = [(o.source, o.schema[keyword]) for o in source_schemas if keyword in o.schema]
            if texts:
                notes[keyword] = self.choose_text(texts, f"{at}/{keyword}")
        examples = [value for one in source_schemas for value in examples_of(one.schema)]
        distinct = list({json.dumps(value, sort_keys=True): value for value in examples}.values())
        if len(distinct) == 1:
            notes["example"] = distinct[0]
        elif distinct:
            notes["examples"] = distinct
            notes |= _numbers_by_source(source_schemas)
        return notes

    def choose_text(self, texts: list[tuple[str, str]], at: str) -> str:
        """Choose the most common text, the one of the first source if several are."""
        counts = Counter(text for _, text in texts)
        chosen = max(counts, key=lambda text: counts[text])
        for other in counts:
            if other != chosen:
                who = [source for source, text in texts if text == other]
                self._decisions.add(
                    DecisionKind.CHOSEN, at, f"{_shorten(chosen)} over {_shorten(other)}", who
                )
        return chosen


def _numbers_by_source(source_schemas: list[SourceSchema]) -> JsonObject:
    """Return which number each source spec has as its example, if all examples are numbers."""
    found = {one.source: examples_of(one.schema) for one in source_schemas}
    shown = {source: some[0] for source, some in found.items() if some}
    numbers = all(type(one) in {int, float} for one in shown.values())
    return {EXAMPLES: shown} if numbers and len(shown) > 1 else {}


def _is_object(schema: JsonObject) -> bool:
    return schema.get("type") == "object" and "properties" in schema


def _source_names(source_schemas: list[SourceSchema]) -> list[str]:
    return [one.source for one in source_schemas]


def _shorten(text: str) -> str:
    flat = " ".join(text.split())
    return f"“{flat}”" if len(flat) <= _MAX_TEXT_LENGTH else f"“{flat[: _MAX_TEXT_LENGTH - 1]}…”"
