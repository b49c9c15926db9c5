"""Walk the schemas of an OpenAPI document, nested ones included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow.catalog.document import JsonObject, escape_key, is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The keywords of JSON Schema 2020-12 whose value is a schema, a list or a mapping of schemas.
SCHEMA_KEYWORDS = frozenset(
    {
        *("additionalProperties", "contains", "contentSchema", "else", "if", "items", "not"),
        *("propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"),
    }
)
SCHEMA_LIST_KEYWORDS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
SCHEMA_MAP_KEYWORDS = frozenset({"$defs", "dependentSchemas", "patternProperties", "properties"})


def iter_schemas(document: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """Yield each schema of a document with its JSON pointer, nested ones included."""
    for at, schema in _roots(document, ""):
        yield from iter_subschemas(schema, at)


def iter_subschemas(schema: Any, at: str) -> Iterator[tuple[str, JsonObject]]:
    """Yield a schema and each nested one, with their JSON pointers."""
    if not is_object(schema):
        return
    yield at, schema
    for key, value in schema.items():
        if key in SCHEMA_KEYWORDS:
            yield from iter_subschemas(value, f"{at}/{key}")
        elif key in SCHEMA_LIST_KEYWORDS and is_array(value):
            for index, item in enumerate(value):
                yield from iter_subschemas(item, f"{at}/{key}/{index}")
        elif key in SCHEMA_MAP_KEYWORDS and is_object(value):
            for name, item in value.items():
                yield from iter_subschemas(item, f"{at}/{key}/{escape_key(name)}")


def map_subschemas(key: str, value: Any, change: Callable[[Any], Any]) -> Any:
    """Return the value of a keyword with a function applied to each schema directly in it."""
    if key in SCHEMA_KEYWORDS:
        return change(value)
    if key in SCHEMA_LIST_KEYWORDS and is_array(value):
        return [change(item) for item in value]
    if key in SCHEMA_MAP_KEYWORDS and is_object(value):
        return {name: change(item) for name, item in value.items()}
    return value


def _roots(node: Any, at: str) -> Iterator[tuple[str, JsonObject]]:
    """Yield the top-level schemas: those under `schema` and under `components/schemas`."""
    for key, value in _children(node):
        deeper = f"{at}/{escape_key(key)}"
        if key == "schema" and is_object(value):
            yield deeper, value
        elif deeper == "/components/schemas" and is_object(value):
            for name, schema in value.items():
                yield f"{deeper}/{escape_key(name)}", schema
        elif key not in _DATA_KEYWORDS:
            yield from _roots(value, deeper)


def _children(node: Any) -> Iterator[tuple[str, Any]]:
    if is_array(node):
        yield from ((str(index), item) for index, item in enumerate(node))
    elif is_object(node):
        yield from node.items()


_DATA_KEYWORDS = frozenset({"example", "examples", "value", "default"})
