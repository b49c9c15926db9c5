"""What identifies a request: the same request of an agent has the same idempotency key."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast
from unicodedata import normalize

from wanflow.catalog.document import JsonObject, is_object, resolve_ref

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.catalog.catalog import Model


def canonical(value: Any) -> Any:
    """Return a JSON value with sorted names and whole numbers as integers."""
    match value:
        case dict():
            fields = cast("dict[str, Any]", value)
            return {name: canonical(fields[name]) for name in sorted(fields)}
        case list():
            return [canonical(entry) for entry in value]  # pyright: ignore[reportUnknownVariableType]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def request_key(
    server: str, model: Model, document: JsonObject, body: Mapping[str, Any], variation: str
) -> str:
    """Return the idempotency key of a request; another `variation` has another one.

    `body` has references to the contents of local files in place of their links. A default that is
    written out, and another form of the same Unicode text, make no difference.
    """
    schema = {"properties": model.parameters}
    fields = _without_defaults(document, schema, {n: v for n, v in body.items() if n != "model"})
    identity = [server, model.name, canonical(fields), variation]
    content = normalize("NFC", json.dumps(identity, sort_keys=True, ensure_ascii=False))
    return f"mcp-{sha256(content.encode('utf-8', 'surrogatepass')).hexdigest()[:48]}"


def _without_defaults(document: JsonObject, schema: Any, value: Mapping[str, Any]) -> JsonObject:
    """Return an object without the fields that have their default, and without empty objects."""
    rules: dict[str, Any] = resolve_ref(document, schema).get("properties", {})
    kept: JsonObject = {}
    for name, given in value.items():
        rule = resolve_ref(document, rules[name]) if is_object(rules.get(name)) else JsonObject()
        if is_object(given):
            given = _without_defaults(document, rule, given)  # noqa: PLW2901
        if given not in ({}, rule.get("default", {})):
            kept[name] = given
    return kept
