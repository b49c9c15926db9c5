"""Simplify the merged spec for the generator: remove what it doesn't support.

The generated code checks no constraints, so nothing is lost. The spec in the package, which
requests are validated with, stays complete.
"""

from __future__ import annotations

from typing import Any

from wanflow.catalog.document import JsonObject, is_array, is_object
from wanflow.catalog.schema_walk import map_subschemas
from wanflow.spec.finish import inline_unions

_DATA_KEYWORDS = frozenset({"example", "examples", "value", "default"})
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
_ESCAPED = frozenset('"\\')


def generator_input(document: JsonObject) -> JsonObject:
    """Return the spec as the generator supports it."""
    shown = inline_unions(document)
    return {**_simplify_node(shown), "components": _components(shown["components"])}


def _components(components: JsonObject) -> JsonObject:
    schemas = {
        name: _simplify_schema(schema) for name, schema in components.get("schemas", {}).items()
    }
    return {**components, "schemas": schemas}


def _simplify_node(node: Any) -> Any:
    """Copy a node outside of schemas, and simplify the schemas inside it."""
    if is_array(node):
        return [_simplify_node(item) for item in node]
    if not is_object(node):
        return node
    return {
        key: _simplify_schema(value)
        if key == "schema"
        else value
        if key in _DATA_KEYWORDS
        else _simplify_node(value)
        for key, value in node.items()
    }


def _simplify_schema(node: Any) -> Any:
    if not is_object(node):
        return {}  # the generator doesn't support the schemas `true` and `false`
    simple = {
        key: _simplify_keyword(key, value) for key, value in node.items() if key not in _UNSUPPORTED
    }
    _drop_mixed_enum(simple)
    if "array" in _types_of(simple) and not is_object(simple.get("items")):
        simple["items"] = {}
    default = simple.get("default")
    if isinstance(default, str) and _ESCAPED & set(default):
        del simple["default"]  # the generator would escape its quotes twice
    return simple


# A title would become the name of the class, and two schemas may have the same title.
_UNSUPPORTED = frozenset({"title", "prefixItems", "contains", "unevaluatedItems", "propertyNames"})


def _simplify_keyword(key: str, value: Any) -> Any:
    if key == "additionalProperties" and isinstance(value, bool):
        return value
    return map_subschemas(key, value, _simplify_schema)


def _drop_mixed_enum(schema: JsonObject) -> None:
    """Remove an enum that isn't only strings or only integers, but keep its types."""
    values: list[Any] = [schema["const"]] if "const" in schema else schema.get("enum", [])
    named = list(dict.fromkeys(_type_name(value) for value in values))
    if values and [name for name in named if name != "null"] not in (["string"], ["integer"]):
        schema.pop("const", None)
        schema.pop("enum", None)
        if "type" not in schema and "" not in named:
            schema["type"] = named


def _type_name(value: Any) -> str:
    """Return the JSON type of a scalar; empty for an object or an array."""
    return next((name for kind, name in _TYPES.items() if type(value) is kind), "")


def _types_of(schema: JsonObject) -> list[Any]:
    named = schema.get("type", [])
    return named if is_array(named) else [named]
