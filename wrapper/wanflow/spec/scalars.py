"""Unite schemas of numbers, texts and other plain values, where one schema says it exactly."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wanflow.spec.likeness import alike, alike_in

if TYPE_CHECKING:
    from wanflow.spec.document import Json

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


def united_scalars(schemas: list[Json]) -> Json | None:
    """Return the one schema of plain values that admits what these admit together, or None."""
    types = [_types_of(schema) for schema in schemas]
    if not all(kinds and kinds <= _SCALARS for kinds in types):
        return None
    return _same_type(schemas) if len(set(types)) == 1 else _other_types(schemas, types)


def _types_of(schema: Json) -> frozenset[str]:
    named = schema.get("type", ())
    return frozenset([named] if isinstance(named, str) else named)


def _same_type(schemas: list[Json]) -> Json | None:
    """Unite schemas of one type that differ in enum or bounds."""
    if any("enum" in schema for schema in schemas):
        return _enums(schemas)
    if not alike(schemas, _BOUNDS):
        return None
    united = {key: value for key, value in schemas[0].items() if key not in _BOUNDS}
    if not _overlap(schemas):
        return None
    for bound, laxer in _BOUNDS.items():
        if all(bound in schema for schema in schemas):
            united[bound] = laxer(schema[bound] for schema in schemas)
    return united


def _enums(schemas: list[Json]) -> Json | None:
    """Unite closed lists; a schema of the type alone swallows every list."""
    free = [schema for schema in schemas if "enum" not in schema]
    if free:
        return free[0] if all(set(schema) == {"type"} for schema in free) else None
    if not alike(schemas, {"enum"}):
        return None
    values = {json.dumps(value): value for schema in schemas for value in schema["enum"]}
    return {**schemas[0], "enum": list(values.values())}


def _overlap(schemas: list[Json]) -> bool:
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


def _other_types(schemas: list[Json], types: list[frozenset[str]]) -> Json | None:
    """Unite plain types; whatever else is said beside a type would bind the others' values too."""
    if any(set(schema) != {"type"} for schema in schemas):
        return None
    return {"type": sorted({kind for kinds in types for kind in kinds})}
