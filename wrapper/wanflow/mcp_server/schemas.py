"""JSON Schemas for the arguments of tools, made from the spec's models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow.catalog.document import JsonObject, is_object, resolve_ref
from wanflow.catalog.schema_walk import map_subschemas

if TYPE_CHECKING:
    from wanflow.catalog.catalog import Catalog, Model

_MAX_DEPTH = 12
_LEFT_OUT = frozenset({"example", "discriminator", "externalDocs", "xml", "deprecated"})


def request_schema(catalog: Catalog) -> JsonObject:
    """Return the schema of a request to any model of the spec."""
    return {
        "description": "The request: the model, and its parameters.",
        "anyOf": [model_schema(catalog, model) for model in catalog.models.values()],
    }


def model_schema(catalog: Catalog, model: Model) -> JsonObject:
    """Return the schema of a request to one model, without references."""
    schema = _inlined(catalog.document, model.schema, _MAX_DEPTH)
    required = ["model", *model.required]
    named = {"type": "string", "enum": [model.name]}
    return {
        **schema,
        "title": model.name,
        "type": "object",
        "properties": {"model": named, **{n: schema["properties"][n] for n in model.parameters}},
        "required": required,
    }


def _inlined(document: JsonObject, node: Any, depth: int) -> Any:
    """Return a schema with its references resolved, and without what JSON Schema doesn't know."""
    if not is_object(node) or not depth:
        return node if isinstance(node, bool) else JsonObject()
    found = resolve_ref(document, node)
    return {
        key: map_subschemas(key, value, lambda inner: _inlined(document, inner, depth - 1))
        for key, value in found.items()
        if key not in _LEFT_OUT and not key.startswith("x-")
    }


def arguments(required: tuple[str, ...] = (), **properties: Any) -> JsonObject:
    """Return the schema of the arguments of a tool."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
