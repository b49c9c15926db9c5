"""Make one schema of several that carry one name: everything that any of them says, and no more.

Objects are united property by property: a property that only one names is taken as that one has
it. Everything else is united only where the union is exact (types, enums, overlapping bounds), and
written as `anyOf` where no single schema says it.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.catalog.document import is_object
from wanflow.spec.merge.decisions import DecisionKind, DecisionLog
from wanflow.spec.read.yaml import escape
from wanflow.spec.schema.equality import ANNOTATIONS, TEXTS, alike_in, canonical_key, equal

if TYPE_CHECKING:
    from wanflow.catalog.document import JsonObject

_SCALARS = frozenset({"string", "integer", "number", "boolean", "null"})
# Each bound, with the function that picks the laxer of two.
_BOUNDS = {
    "minimum": min,
    "minLength": min,
    "minItems": min,
    "maximum": max,
    "maxLength": max,
    "maxItems": max,
}


def merge_scalars(schemas: list[JsonObject]) -> JsonObject | None:
    """Return the one schema of plain values that admits what these admit together, or None."""
    types = [_types_of(schema) for schema in schemas]
    if not all(kinds and kinds <= _SCALARS for kinds in types):
        return None
    return _same_type(schemas) if len(set(types)) == 1 else _other_types(schemas, types)


def _types_of(schema: JsonObject) -> frozenset[str]:
    named = schema.get("type", ())
    return frozenset([named] if isinstance(named, str) else named)


def _same_type(schemas: list[JsonObject]) -> JsonObject | None:
    """Unite schemas of one type that differ in enum or bounds."""
    if any("enum" in schema for schema in schemas):
        return _enums(schemas)
    if not equal(schemas, _BOUNDS):
        return None
    united = {key: value for key, value in schemas[0].items() if key not in _BOUNDS}
    if not _overlap(schemas):
        return None
    for bound, laxer in _BOUNDS.items():
        if all(bound in schema for schema in schemas):
            united[bound] = laxer(schema[bound] for schema in schemas)
    return united


def _enums(schemas: list[JsonObject]) -> JsonObject | None:
    """Unite closed lists; a schema of the type alone swallows every list."""
    free = [schema for schema in schemas if "enum" not in schema]
    if free:
        return free[0] if all(set(schema) == {"type"} for schema in free) else None
    if not equal(schemas, {"enum"}):
        return None
    values = {json.dumps(value): value for schema in schemas for value in schema["enum"]}
    return {**schemas[0], "enum": list(values.values())}


def _overlap(schemas: list[JsonObject]) -> bool:
    """Tell whether the ranges leave no gap between them, so that one range is their union."""
    for low, high in (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")):
        ranges = sorted((s.get(low, float("-inf")), s.get(high, float("inf"))) for s in schemas)
        reach = ranges[0][1]
        for start, end in ranges[1:]:
            if start > reach:
                return False
            reach = max(reach, end)
    changed = [key for key in _BOUNDS if not alike_in(schemas, key)]
    return len({key[3:].lower() for key in changed}) <= 1


def _other_types(schemas: list[JsonObject], types: list[frozenset[str]]) -> JsonObject | None:
    """Unite plain types; whatever else is said beside a type would bind the others' values too."""
    if any(set(schema) != {"type"} for schema in schemas):
        return None
    return {"type": sorted({kind for kinds in types for kind in kinds})}


_OBJECT = frozenset({"type", "properties", "required", "additionalProperties"})
_SHOWN = 80


@frozen
class SourceSchema:
    """What one source says: a schema, and the source's name."""

    source: str
    schema: JsonObject


class SchemaUnion:
    """Unites schemas, and notes what it decided."""

    def __init__(self, decisions: DecisionLog) -> None:
        self._decisions = decisions

    def whole(self, said: list[SourceSchema], at: str) -> JsonObject | None:
        """Unite schemas into one; None where only an `anyOf` of them would say it exactly."""
        core = self._core([SourceSchema(one.source, one.schema) for one in said], at)
        return None if core is None else {**core, **self._notes(said, at)}

    def part(self, said: list[SourceSchema], at: str) -> JsonObject:
        """Unite the schemas of a part; its alternatives side by side where nothing simpler does."""
        if (united := self.whole(said, at)) is not None:
            return united
        alike: dict[str, list[SourceSchema]] = {}
        for one in said:
            alike.setdefault(canonical_key(one.schema), []).append(one)
        distinct = {key: self._core(same, at) or same[0].schema for key, same in alike.items()}
        self._decisions.add(
            DecisionKind.WIDENED,
            at,
            f"{len(distinct)} different schemas, any of which may hold",
            _who(said),
        )
        branches = [
            {word: value for word, value in distinct[key].items() if word not in ANNOTATIONS}
            for key in sorted(distinct)
        ]
        return {"anyOf": branches, **self._notes(said, at)}

    def _core(self, said: list[SourceSchema], at: str) -> JsonObject | None:
        schemas = [one.schema for one in said]
        if any("$ref" in schema for schema in schemas):
            # Rules beside a reference bind with it, so both are the same or neither is.
            same = len({canonical_key(schema) for schema in schemas}) == 1
            return {k: v for k, v in schemas[0].items() if k not in ANNOTATIONS} if same else None
        if all(_is_object(schema) for schema in schemas):
            return self._object(said, at)
        if len({canonical_key(schema) for schema in schemas}) == 1 and "items" not in schemas[0]:
            return {k: v for k, v in schemas[0].items() if k not in ANNOTATIONS}
        if all(schema.get("type") == "array" for schema in schemas):
            return self._array(said, at)
        return self._scalar(said, at)

    def _object(self, said: list[SourceSchema], at: str) -> JsonObject | None:
        schemas = [one.schema for one in said]
        if not equal(schemas, _OBJECT - {"type"}) or not alike_in(schemas, "additionalProperties"):
            return None
        names = list(dict.fromkeys(name for s in schemas for name in s.get("properties", {})))
        closed = schemas[0].get("additionalProperties", True) is not True
        if closed and any(set(s.get("properties", {})) != set(names) for s in schemas):
            return None
        rest = {k: v for k, v in schemas[0].items() if k not in _OBJECT and k not in ANNOTATIONS}
        core: JsonObject = {"type": "object", **rest}
        if required := self._required(said, at):
            core["required"] = required
        core["properties"] = {name: self._property(said, name, at) for name in names}
        if "additionalProperties" in schemas[0]:
            core["additionalProperties"] = schemas[0]["additionalProperties"]
        return core

    def _property(self, said: list[SourceSchema], name: str, at: str) -> JsonObject:
        having = [
            SourceSchema(one.source, one.schema["properties"][name])
            for one in said
            if name in one.schema.get("properties", {})
        ]
        return self.part(having, f"{at}/properties/{escape(name)}")

    def _required(self, said: list[SourceSchema], at: str) -> list[str]:
        lists: list[list[str]] = [one.schema.get("required", []) for one in said]
        kept = [name for name in lists[0] if all(name in names for names in lists)]
        for name in sorted({name for names in lists for name in names} - set(kept)):
            who = [one.source for one in said if name in one.schema.get("required", [])]
            self._decisions.add(DecisionKind.WIDENED, at, f"`{name}` is required by some only", who)
        return kept

    def _array(self, said: list[SourceSchema], at: str) -> JsonObject | None:
        schemas = [one.schema for one in said]
        if not equal(schemas, {"items"}) or not all(is_object(s.get("items")) for s in schemas):
            return None
        items = self.whole(
            [SourceSchema(one.source, one.schema["items"]) for one in said], f"{at}/items"
        )
        if items is None:
            return None
        kept = {k: v for k, v in schemas[0].items() if k not in ANNOTATIONS}
        return {**kept, "items": items}

    def _scalar(self, said: list[SourceSchema], at: str) -> JsonObject | None:
        schemas = [{k: v for k, v in one.schema.items() if k not in ANNOTATIONS} for one in said]
        united = merge_scalars(schemas)
        if united is not None:
            shown = "; ".join(sorted({json.dumps(s, sort_keys=True) for s in schemas}))
            self._decisions.add(
                DecisionKind.WIDENED, at, f"`{json.dumps(united)}` of {shown}", _who(said)
            )
        return united

    def _notes(self, said: list[SourceSchema], at: str) -> JsonObject:
        notes: JsonObject = {}
        for word in TEXTS:
            texts = [(o.source, o.schema[word]) for o in said if word in o.schema]
            if texts:
                notes[word] = self.text(texts, f"{at}/{word}")
        examples = [value for one in said for value in _examples(one.schema)]
        distinct = list({json.dumps(value, sort_keys=True): value for value in examples}.values())
        if len(distinct) == 1:
            notes["example"] = distinct[0]
        elif distinct:
            notes["examples"] = distinct
        return notes

    def text(self, texts: list[tuple[str, str]], at: str) -> str:
        """Choose what most sources say, the first of them by name where they are even."""
        counts = Counter(text for _, text in texts)
        chosen = max(counts, key=lambda text: counts[text])
        for other in counts:
            if other != chosen:
                who = [source for source, text in texts if text == other]
                self._decisions.add(
                    DecisionKind.CHOSEN, at, f"{_short(chosen)} over {_short(other)}", who
                )
        return chosen


def _is_object(schema: JsonObject) -> bool:
    return schema.get("type") == "object" and "properties" in schema


def _examples(schema: JsonObject) -> list[Any]:
    own = [schema["example"]] if "example" in schema else []
    return [*own, *schema.get("examples", ())]


def _who(said: list[SourceSchema]) -> list[str]:
    return [one.source for one in said]


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return f"“{flat}”" if len(flat) <= _SHOWN else f"“{flat[: _SHOWN - 1]}…”"
