"""What the generator is shown: the document without what it stumbles over.

It checks no rule at run time, so nothing is lost by leaving one out; the document that the package
carries, and that requests are checked against, stays whole.
"""

from __future__ import annotations

from typing import Any

from wanflow.catalog.document import JsonObject, is_array, is_object
from wanflow.catalog.schema_walk import LISTS, MAPS, ONE
from wanflow.spec.finish import inlined_unions

_DATA = frozenset({"example", "examples", "value", "default"})
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
_ESCAPED = frozenset('"\\')


def generator_input(document: JsonObject) -> JsonObject:
    """Return the document as the generator can take it."""
    shown = inlined_unions(document)
    return {**_outside(shown), "components": _components(shown["components"])}


def _components(components: JsonObject) -> JsonObject:
    schemas = {name: _schema(schema) for name, schema in components.get("schemas", {}).items()}
    return {**components, "schemas": schemas}


def _outside(node: Any) -> Any:
    """Copy what isn't in a schema, and simplify the schemas met on the way."""
    if is_array(node):
        return [_outside(item) for item in node]
    if not is_object(node):
        return node
    return {
        key: _schema(value) if key == "schema" else value if key in _DATA else _outside(value)
        for key, value in node.items()
    }


def _schema(node: Any) -> Any:
    if not is_object(node):
        return {}  # `true` and `false` are schemas too, and unknown to it
    simple = {key: _inside(key, value) for key, value in node.items() if key not in _UNKNOWN}
    _closed_list(simple)
    if "array" in _named(simple) and not is_object(simple.get("items")):
        simple["items"] = {}
    default = simple.get("default")
    if isinstance(default, str) and _ESCAPED & set(default):
        del simple["default"]  # it would come out with its quotes escaped twice
    return simple


# A title would name the class, and two schemas may well have one title.
_UNKNOWN = frozenset({"title", "prefixItems", "contains", "unevaluatedItems", "propertyNames"})


def _inside(key: str, value: Any) -> Any:
    if key == "additionalProperties" and isinstance(value, bool):
        return value
    if key in ONE:
        return _schema(value)
    if key in LISTS and is_array(value):
        return [_schema(item) for item in value]
    if key in MAPS and is_object(value):
        return {name: _schema(item) for name, item in value.items()}
    return value


def _closed_list(schema: JsonObject) -> None:
    """Leave out a list of values that isn't all texts or all integers, but keep its types."""
    values: list[Any] = [schema["const"]] if "const" in schema else schema.get("enum", [])
    named = list(dict.fromkeys(_type_name(value) for value in values))
    if values and [name for name in named if name != "null"] not in (["string"], ["integer"]):
        schema.pop("const", None)
        schema.pop("enum", None)
        if "type" not in schema and "" not in named:
            schema["type"] = named


def _type_name(value: Any) -> str:
    """Name the JSON type of a plain value; empty for an object or an array."""
    return next((name for kind, name in _TYPES.items() if type(value) is kind), "")


def _named(schema: JsonObject) -> list[Any]:
    named = schema.get("type", [])
    return named if is_array(named) else [named]
