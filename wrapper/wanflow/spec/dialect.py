"""Read OpenAPI 3.0 as 3.1, so that everything after it speaks one dialect."""

from __future__ import annotations

from typing import Any

from wanflow.spec.document import Json, is_array, is_object

_BOUNDS = (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum"))
_DATA = frozenset({"example", "examples", "default", "enum", "const", "value"})


def upgraded(document: Json) -> Json:
    """Return a document as OpenAPI 3.1; one that is 3.1 already comes back as it is."""
    if not str(document["openapi"]).startswith("3.0"):
        return document
    return {**_upgraded(document), "openapi": "3.1.0"}


def _upgraded(node: Any) -> Any:
    if is_array(node):
        return [_upgraded(item) for item in node]
    if not is_object(node):
        return node
    whole = {key: value if key in _DATA else _upgraded(value) for key, value in node.items()}
    return _nullable(_exclusive(whole))


def _exclusive(node: Json) -> Json:
    """Turn `exclusiveMinimum: true` beside `minimum` into a bound of its own."""
    for flag, bound in _BOUNDS:
        if isinstance(node.get(flag), bool):
            strict = node.pop(flag)
            if strict and bound in node:
                node[flag] = node.pop(bound)
    return node


def _nullable(node: Json) -> Json:
    """Turn `nullable: true` into one more type; 3.0 ignores it where no type stands beside it."""
    if not isinstance(node.get("nullable"), bool):
        return node
    if node.pop("nullable") and isinstance(node.get("type"), str):
        node["type"] = [node["type"], "null"]
        if "enum" in node and None not in node["enum"]:
            node["enum"] = [*node["enum"], None]
    return node
