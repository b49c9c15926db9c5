"""Every schema of a merged document by the place that a program meets it in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow.catalog.document import resolve_ref
from wanflow.spec.schema.operations import JSON_MEDIA, SCHEMAS, referenced_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.catalog.document import JsonObject


def requests_of(document: JsonObject) -> dict[str, JsonObject]:
    """Return the request schemas by name: one for each model, or the operation's own."""
    return dict(sorted(_requests(document)))


def answers_of(document: JsonObject) -> dict[str, JsonObject]:
    """Return the schemas of the answers by operation, status and media type."""
    return {
        f"{method.upper()} {path} {status} {kind}": media["schema"]
        for path, method, node in operations_of(document)
        for status, answer in node["responses"].items()
        for kind, media in answer.get("content", {}).items()
        if "schema" in media
    }


def operations_of(document: JsonObject) -> Iterator[tuple[str, str, JsonObject]]:
    """List path, method and node of each operation of a merged document."""
    for path, item in document["paths"].items():
        for method, node in item.items():
            yield path, method, node


def _requests(document: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    for path, method, node in operations_of(document):
        media = node.get("requestBody", {}).get("content", {}).get(JSON_MEDIA)
        if media is None:
            continue
        schema = resolve_ref(document, media["schema"])
        mapping = schema.get("discriminator", {}).get("mapping", {})
        for model, reference in mapping.items():
            yield model, {"$ref": reference}
        if not mapping:
            yield f"{method.upper()} {path}", media["schema"]


def reached_by(document: JsonObject, node: JsonObject) -> set[str]:
    """Collect the names of the schemas that a node leads to."""
    schemas = document["components"]["schemas"]
    found: set[str] = set()
    waiting = referenced_names(node)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting |= referenced_names(schemas.get(name, {}))
    return found


def reference_name(node: JsonObject) -> str:
    """Return the name of the schema that a reference is to."""
    return str(node["$ref"]).removeprefix(SCHEMAS)
