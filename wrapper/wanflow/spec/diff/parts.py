"""The parts of an operation that are compared by name, with references followed."""

from __future__ import annotations

from typing import Any

from wanflow.catalog.catalog import METHODS
from wanflow.catalog.document import JsonObject, escape_key, is_object, resolve_ref


def operations_of(document: JsonObject) -> dict[str, JsonObject]:
    """Return each operation with what its path item adds, and its pointer under `x-at`."""
    return {
        f"{method.upper()} {path}": {
            **{key: item[key] for key in ("servers",) if key in item},
            **node,
            "parameters": [*item.get("parameters", ()), *node.get("parameters", ())],
            "x-at": f"/paths/{escape_key(path)}/{method}",
        }
        for path, item in document.get("paths", {}).items()
        for method, node in item.items()
        if method in METHODS and is_object(node)
    }


def security_of(document: JsonObject, node: JsonObject) -> list[Any]:
    """Return the alternative security requirements, with the definition of each scheme."""
    schemes = document.get("components", {}).get("securitySchemes", {})
    asked: list[JsonObject] = (node if "security" in node else document).get("security") or []
    return [
        {name: [scopes, _bare_scheme(schemes.get(name, {}))] for name, scopes in option.items()}
        for option in asked
    ]


def _bare_scheme(scheme: JsonObject) -> JsonObject:
    return {key: value for key, value in sorted(scheme.items()) if key != "description"}


def servers_of(document: JsonObject, node: JsonObject) -> list[str]:
    """Return the URLs of an operation's servers."""
    servers: list[JsonObject] = (node if "servers" in node else document).get("servers") or []
    return [server.get("url", "") for server in servers]


def parameters_of(document: JsonObject, node: JsonObject) -> dict[str, JsonObject]:
    """Return an operation's own parameters by `in` and name."""
    followed = [resolve_ref(document, parameter) for parameter in node["parameters"]]
    return {
        f"{parameter.get('in')} parameter {parameter.get('name')}": parameter
        for parameter in followed
    }


def bodies_of(document: JsonObject, node: JsonObject) -> dict[str, JsonObject]:
    """Return the schemas of the request body by media type."""
    body = resolve_ref(document, node.get("requestBody", {}))
    return {kind: media.get("schema", {}) for kind, media in body.get("content", {}).items()}


def needs_body(document: JsonObject, node: JsonObject) -> bool:
    """Return whether the request body is required."""
    return bool(resolve_ref(document, node.get("requestBody", {})).get("required"))


def models_of(document: JsonObject, schema: Any) -> dict[str, JsonObject]:
    """Return the variant of each model, as a discriminator maps them."""
    found: JsonObject = resolve_ref(document, schema) if is_object(schema) else {}
    mapping: dict[str, str] = found.get("discriminator", {}).get("mapping", {})
    return {model: {"$ref": reference} for model, reference in mapping.items()}


def classes_of(document: JsonObject) -> JsonObject:
    """Return the schemas that have a class; a union of requests has a name for other tools only."""
    schemas: JsonObject = document.get("components", {}).get("schemas", {})
    return {name: schema for name, schema in schemas.items() if "discriminator" not in schema}


def responses_of(document: JsonObject, node: JsonObject) -> dict[str, dict[str, JsonObject]]:
    """Return the schemas of the responses by status and media type."""
    return {
        status: {
            kind: media.get("schema", {})
            for kind, media in resolve_ref(document, answer).get("content", {}).items()
        }
        for status, answer in node.get("responses", {}).items()
    }


def pointer_of(schema: Any, otherwise: str) -> str:
    """Return the pointer of a schema: the target of its reference, or the given position."""
    reference = schema.get("$ref") if is_object(schema) else None
    return reference.removeprefix("#") if isinstance(reference, str) else otherwise
