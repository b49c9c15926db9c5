"""Walk the schemas of an OpenAPI document: every one, and every one inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow.catalog.document import JsonObject, escape, is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Where JSON Schema 2020-12 has schemas: one, a list, or a mapping of names to them.
ONE = frozenset(
    {
        *("additionalProperties", "contains", "contentSchema", "else", "if", "items", "not"),
        *("propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"),
    }
)
LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
MAPS = frozenset({"$defs", "dependentSchemas", "patternProperties", "properties"})


def schemas_in(document: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """List each schema of a document with its pointer, those inside others included."""
    for at, schema in _roots(document, ""):
        yield from schemas_under(schema, at)


def schemas_under(schema: Any, at: str) -> Iterator[tuple[str, JsonObject]]:
    """List a schema and each one inside it, with their pointers."""
    if not is_object(schema):
        return
    yield at, schema
    for key, value in schema.items():
        if key in ONE:
            yield from schemas_under(value, f"{at}/{key}")
        elif key in LISTS and is_array(value):
            for index, item in enumerate(value):
                yield from schemas_under(item, f"{at}/{key}/{index}")
        elif key in MAPS and is_object(value):
            for name, item in value.items():
                yield from schemas_under(item, f"{at}/{key}/{escape(name)}")


def map_schemas(key: str, value: Any, change: Callable[[Any], Any]) -> Any:
    """Return the value of a keyword with each schema in it changed."""
    if key in ONE:
        return change(value)
    if key in LISTS and is_array(value):
        return [change(item) for item in value]
    if key in MAPS and is_object(value):
        return {name: change(item) for name, item in value.items()}
    return value


def _roots(node: Any, at: str) -> Iterator[tuple[str, JsonObject]]:
    """Find where schemas begin: under `schema`, and under `components/schemas`."""
    for key, value in _children(node):
        deeper = f"{at}/{escape(key)}"
        if key == "schema" and is_object(value):
            yield deeper, value
        elif deeper == "/components/schemas" and is_object(value):
            for name, schema in value.items():
                yield f"{deeper}/{escape(name)}", schema
        elif key not in _DATA:
            yield from _roots(value, deeper)


def _children(node: Any) -> Iterator[tuple[str, Any]]:
    if is_array(node):
        yield from ((str(index), item) for index, item in enumerate(node))
    elif is_object(node):
        yield from node.items()


_DATA = frozenset({"example", "examples", "value", "default"})
