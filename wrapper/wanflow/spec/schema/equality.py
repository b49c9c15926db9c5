"""Whether two schemas say the same, whatever they say for people and in whatever order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wanflow.catalog.document import JsonObject, is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Iterable

TEXTS = ("title", "description", "summary")
EXAMPLES = ("example", "examples")
ANNOTATIONS = frozenset({*TEXTS, *EXAMPLES, "externalDocs"})


def strip_annotations(node: Any) -> Any:
    """Copy a schema without what only people read; names of properties are no annotations."""
    if is_array(node):
        return [strip_annotations(item) for item in node]
    if not is_object(node):
        return node
    return {key: _bare_child(key, value) for key, value in node.items() if key not in ANNOTATIONS}


def _bare_child(key: str, value: Any) -> Any:
    if key in {"properties", "patternProperties", "$defs", "dependentSchemas"}:
        return {name: strip_annotations(child) for name, child in value.items()}
    if key in {"enum", "const", "default"}:
        return value
    return strip_annotations(value)


def canonical_key(node: Any) -> str:
    """Write a schema so that two that mean the same to the letter, order aside, are equal."""
    return json.dumps(_ordered(strip_annotations(node)), sort_keys=True)


def _ordered(node: Any) -> Any:
    if is_array(node):
        return [_ordered(item) for item in node]
    if not is_object(node):
        return node
    return {
        key: sorted(value, key=json.dumps)
        if key in {"required", "enum", "type"} and is_array(value)
        else _ordered(value)
        for key, value in node.items()
        if not (key == "required" and value == [])
    }


def equal(schemas: list[JsonObject], apart: Iterable[str]) -> bool:
    """Tell whether schemas say the same, some keywords and the annotations left out."""
    left_out = set(apart)
    rests = {canonical_key({k: v for k, v in s.items() if k not in left_out}) for s in schemas}
    return len(rests) == 1


def alike_in(schemas: list[JsonObject], key: str) -> bool:
    """Tell whether schemas say the same under one keyword."""
    return len({canonical_key(schema.get(key)) for schema in schemas}) == 1
