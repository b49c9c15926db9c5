"""Index the schemas of a merged spec by where they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow.catalog.document import resolve_ref
from wanflow.spec.schema.operations import JSON_MEDIA, SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.catalog.document import JsonObject


def requests_of(document: JsonObject) -> dict[str, JsonObject]:
    """Return the request schemas by model; by method and path for operations without models."""
    return dict(sorted(_requests(document)))


def responses_of(document: JsonObject) -> dict[str, JsonObject]:
    """Return the response schemas by operation, status and media type."""
    return {
        f"{method.upper()} {path} {status} {kind}": media["schema"]
        for path, method, node in operations_of(document)
        for status, response in node["responses"].items()
        for kind, media in response.get("content", {}).items()
        if "schema" in media
    }


def operations_of(document: JsonObject) -> Iterator[tuple[str, str, JsonObject]]:
    """Yield path, method and object of each operation of a merged spec."""
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


def reference_name(node: JsonObject) -> str:
    """Return the schema name in a reference."""
    return str(node["$ref"]).removeprefix(SCHEMAS)
