"""Compare schemas, ignoring annotations and order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wanflow.catalog.document import JsonObject, is_array, is_object
from wanflow.catalog.keywords import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterable

TEXT_KEYWORDS = ("title", "description", "summary")
EXAMPLE_KEYWORDS = ("example", "examples", EXAMPLES)
ANNOTATIONS = frozenset({*TEXT_KEYWORDS, *EXAMPLE_KEYWORDS, "externalDocs"})


def strip_annotations(node: Any) -> Any:
    """Copy a schema without annotations; properties with the name of an annotation stay."""
    if is_array(node):
        return [strip_annotations(item) for item in node]
    if not is_object(node):
        return node
    return {key: _strip_child(key, value) for key, value in node.items() if key not in ANNOTATIONS}


def _strip_child(key: str, value: Any) -> Any:
    if key in {"properties", "patternProperties", "$defs", "dependentSchemas"}:
        return {name: strip_annotations(child) for name, child in value.items()}
    if key in {"enum", "const", "default"}:
        return value
    return strip_annotations(value)


def canonical_key(node: Any) -> str:
    """Return a text that is equal for schemas that differ only in annotations and order."""
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


def examples_of(schema: JsonObject) -> list[Any]:
    """Return the values of `example` and `examples` of a schema."""
    single = [schema["example"]] if "example" in schema else []
    return [*single, *schema.get("examples", ())]


def equal(schemas: list[JsonObject], ignored: Iterable[str]) -> bool:
    """Return whether schemas are equal, without some keywords and annotations."""
    excluded = set(ignored)
    keys = {canonical_key({k: v for k, v in s.items() if k not in excluded}) for s in schemas}
    return len(keys) == 1


def equal_at(schemas: list[JsonObject], key: str) -> bool:
    """Return whether schemas have equal values for one keyword."""
    return len({canonical_key(schema.get(key)) for schema in schemas}) == 1
