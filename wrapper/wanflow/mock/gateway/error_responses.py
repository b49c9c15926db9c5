"""The error responses of an operation: the spec's examples, with more specific messages."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.catalog.document import JsonObject, resolve_ref
from wanflow.mock.gateway.response_builder import ResponseTemplate, compile_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    import jsonschema_rs

    from wanflow.mock.errors import HTTPError

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota_error",
    403: "permission_error",
    404: "not_found_error",
    410: "not_found_error",
    413: "request_too_large_error",
    429: "rate_limit_error",
    500: "internal_server_error",
    502: "upstream_error",
    503: "service_unavailable_error",
}
_SECONDS = re.compile(r"retry after ([0-9]+) seconds?", re.IGNORECASE | re.ASCII)


@frozen
class ErrorResponses:
    """Error responses by status: `examples` are those of the spec, by model or `default`.

    A model without an example doesn't use another model's, whose codes may differ. `models` are
    those of the operation. `templates` and, for an undocumented status, `fallback` build the body
    if there is no example. If a specific message isn't valid by `schemas`, the example is used
    unchanged. `texts` are responses that aren't JSON: their media type and example.
    """

    examples: Mapping[int, Mapping[str, JsonObject]]
    fallback: ResponseTemplate
    models: frozenset[str]
    templates: Mapping[int, ResponseTemplate]
    texts: Mapping[int, tuple[str, str | None]]
    schemas: Mapping[int, jsonschema_rs.Validator] = field(repr=False)

    @property
    def statuses(self) -> frozenset[int]:
        """The documented statuses."""
        return frozenset({*self.examples, *self.texts})

    def text(self, http_error: HTTPError) -> tuple[str, str] | None:
        """Return media type and text of an error, None if its response is JSON."""
        if http_error.status not in self.texts or http_error.error_type is not None:
            return None
        media, example = self.texts[http_error.status]
        text = http_error.message or _default_message(http_error.status)
        plain = http_error.message is not None and media.startswith("text/plain")
        return media, text if plain or example is None else example

    def body(self, http_error: HTTPError) -> JsonObject:
        """Return the JSON body of an error."""
        example = self.example(http_error.status, http_error.model)
        if example is None or http_error.error_type is not None:
            return self._build(http_error)
        details: dict[str, str | None] = {}
        if http_error.message is not None:
            details |= {"message": http_error.message, "param": http_error.param}
        if http_error.suggestion is not None:
            details |= {"fallback_suggestion": http_error.suggestion}
        if not details:
            return example
        error = (
            {**example["error"], **details} if isinstance(example.get("error"), dict) else details
        )
        error = {key: value for key, value in error.items() if value is not None}
        reworded = {**example, "error": error}
        schema = self.schemas.get(http_error.status)
        return reworded if schema is None or schema.is_valid(reworded) else example

    def example(self, status: int, model: str | None = None) -> JsonObject | None:
        """Return the example for a status, that of the model if there is one."""
        example = self.examples.get(status)
        if not example:
            return None
        own = example.get(model or "default") or example.get("default")
        return own if own or model in self.models else next(iter(example.values()))

    def _build(self, http_error: HTTPError) -> JsonObject:
        kind = _TYPES.get(http_error.status, _TYPES[http_error.status // 500 * 100 + 400])
        return self.templates.get(http_error.status, self.fallback).build(
            {
                "error.code": http_error.status,
                "error.message": http_error.message or _default_message(http_error.status),
                "error.type": http_error.error_type or kind,
                "error.param": http_error.param,
                "error.fallback_suggestion": http_error.suggestion,
            }
        )


def load_errors(
    document: JsonObject, node: JsonObject, schemas: Mapping[int, jsonschema_rs.Validator]
) -> ErrorResponses:
    """Load the error responses of an operation's node; `schemas` validate their JSON."""
    examples: dict[int, Mapping[str, JsonObject]] = {}
    shapes: dict[int, ResponseTemplate] = {}
    texts: dict[int, tuple[str, str | None]] = {}
    models_by_schema = _models_by_schema(document, node)
    for status, raw in node["responses"].items():
        if not status.isdigit() or int(status) < 400:  # noqa: PLR2004 - errors
            continue
        media = media_of(document, raw)
        if media is None:
            texts |= {int(status): text for text in _texts(document, raw)}
            continue
        if media.get("schema"):
            shapes[int(status)] = compile_schema(document, media["schema"])
        example = _examples(document, media, status)
        others = {
            one: body for name, body in example.items() for one in models_by_schema.get(name, ())
        }
        examples[int(status)] = {**others, **example}
    fallback = next(iter(shapes.values()), compile_schema(document, {}))
    return ErrorResponses(examples, fallback, frozenset(models_by_schema), shapes, texts, schemas)


def _models_by_schema(document: JsonObject, node: JsonObject) -> dict[str, list[str]]:
    """Return for each model those that share its request schema."""
    media = media_of(document, node.get("requestBody", {})) or {}
    union = resolve_ref(document, media.get("schema", {}))
    mapping: JsonObject = union.get("discriminator", {}).get("mapping", {})
    return {model: [one for one in mapping if mapping[one] == mapping[model]] for model in mapping}


def _texts(document: JsonObject, response: JsonObject) -> list[tuple[str, str | None]]:
    """Return the first media type of a response and its example, in a list."""
    for kind, media in resolve_ref(document, response).get("content", {}).items():
        named = (resolve_ref(document, one) for one in media.get("examples", {}).values())
        values = [media.get("example"), *(one.get("value") for one in named)]
        example = next((value for value in values if value is not None), None)
        return [(kind, example if isinstance(example, str | None) else json.dumps(example))]
    return []


def _default_message(status: int) -> str:
    return f"The mock responds with status {status}"


def media_of(document: JsonObject, response: JsonObject) -> JsonObject | None:
    """Return the JSON media type of a response, None if it has none."""
    media: JsonObject | None = (
        resolve_ref(document, response).get("content", {}).get("application/json")
    )
    return media


def retry_after(body: JsonObject) -> bytes | None:
    """Return the seconds in a `fallback_suggestion` such as "retry after 60 seconds"."""
    error: Any = body.get("error")
    found = _SECONDS.search(json.dumps(error))
    return found[1].encode() if found else None


def _examples(document: JsonObject, media: JsonObject, status: str) -> dict[str, JsonObject]:
    example = {
        name.removesuffix(f"-{status}"): resolve_ref(document, example).get("value")
        for name, example in media.get("examples", {}).items()
    }
    if "example" in media:
        example.setdefault("default", media["example"])
    return {name: body for name, body in example.items() if isinstance(body, dict)}
