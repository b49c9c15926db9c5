"""The error answers of an operation: the documents' examples, reworded where more is known."""

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
    """Answers by status: `examples` as the document shows them, by model or `default`.

    A model that no example is of has none of another's, whose codes may be of another kind.
    `models` are those that the operation takes. `shapes` and, for a status that isn't documented,
    `fallback` build the body of what has no example. `schemas` are by status: what an example
    says stands where other words would break them. `texts` are the answers that aren't JSON:
    their media type, and what the document shows.
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

    def text(self, refusal: HTTPError) -> tuple[str, str] | None:
        """Word a refusal as text of a media type; None where its answer is JSON."""
        if refusal.status not in self.texts:
            return None
        media, shown = self.texts[refusal.status]
        said = refusal.message or _unsaid(refusal.status)
        plain = refusal.message is not None and media.startswith("text/plain")
        return media, said if plain or shown is None else shown

    def body(self, refusal: HTTPError) -> JsonObject:
        """Word a refusal as the operation would."""
        shown = self.example(refusal.status, refusal.model)
        if shown is None:
            return self._made_up(refusal)
        if refusal.message is None:
            return shown
        told = {"message": refusal.message, "param": refusal.param}
        error = {**shown["error"], **told} if isinstance(shown.get("error"), dict) else told
        error = {key: value for key, value in error.items() if value is not None}
        reworded = {**shown, "error": error}
        schema = self.schemas.get(refusal.status)
        return reworded if schema is None or schema.is_valid(reworded) else shown

    def example(self, status: int, model: str | None = None) -> JsonObject | None:
        """Return the documented example of a status, the model's own where there is one."""
        shown = self.examples.get(status)
        if not shown:
            return None
        own = shown.get(model or "default") or shown.get("default")
        return own if own or model in self.models else next(iter(shown.values()))

    def _made_up(self, refusal: HTTPError) -> JsonObject:
        kind = _TYPES.get(refusal.status, _TYPES[refusal.status // 500 * 100 + 400])
        return self.templates.get(refusal.status, self.fallback).build(
            {
                "error.code": refusal.status,
                "error.message": refusal.message or _unsaid(refusal.status),
                "error.type": kind,
                "error.param": refusal.param,
            }
        )


def load_errors(
    document: JsonObject, node: JsonObject, schemas: Mapping[int, jsonschema_rs.Validator]
) -> ErrorResponses:
    """Read the error answers of an operation's node, whose JSON is valid by `schemas`."""
    examples: dict[int, Mapping[str, JsonObject]] = {}
    shapes: dict[int, ResponseTemplate] = {}
    texts: dict[int, tuple[str, str | None]] = {}
    together = _together(document, node)
    for status, raw in node["responses"].items():
        if not status.isdigit() or int(status) < 400:  # noqa: PLR2004 - errors
            continue
        media = media_of(document, raw)
        if media is None:
            texts |= {int(status): text for text in _texts(document, raw)}
            continue
        if media.get("schema"):
            shapes[int(status)] = compile_schema(document, media["schema"])
        shown = _examples(document, media, status)
        others = {one: body for name, body in shown.items() for one in together.get(name, ())}
        examples[int(status)] = {**others, **shown}
    fallback = next(iter(shapes.values()), compile_schema(document, {}))
    return ErrorResponses(examples, fallback, frozenset(together), shapes, texts, schemas)


def _together(document: JsonObject, node: JsonObject) -> dict[str, list[str]]:
    """List for each model those that one document describes with it: their request is one."""
    media = media_of(document, node.get("requestBody", {})) or {}
    union = resolve_ref(document, media.get("schema", {}))
    mapping: JsonObject = union.get("discriminator", {}).get("mapping", {})
    return {model: [one for one in mapping if mapping[one] == mapping[model]] for model in mapping}


def _texts(document: JsonObject, response: JsonObject) -> list[tuple[str, str | None]]:
    """Return the first media type of a response, in a list, and what it shows."""
    for kind, media in resolve_ref(document, response).get("content", {}).items():
        named = (resolve_ref(document, one) for one in media.get("examples", {}).values())
        values = [media.get("example"), *(one.get("value") for one in named)]
        shown = next((value for value in values if value is not None), None)
        return [(kind, shown if isinstance(shown, str | None) else json.dumps(shown))]
    return []


def _unsaid(status: int) -> str:
    return f"The mock answers {status}"


def media_of(document: JsonObject, response: JsonObject) -> JsonObject | None:
    """Return the JSON media type of a response, None where it has no such body."""
    media: JsonObject | None = (
        resolve_ref(document, response).get("content", {}).get("application/json")
    )
    return media


def retry_after(body: JsonObject) -> bytes | None:
    """Read the seconds out of a `fallback_suggestion` such as "retry after 60 seconds"."""
    error: Any = body.get("error")
    found = _SECONDS.search(json.dumps(error))
    return found[1].encode() if found else None


def _examples(document: JsonObject, media: JsonObject, status: str) -> dict[str, JsonObject]:
    shown = {
        name.removesuffix(f"-{status}"): resolve_ref(document, example).get("value")
        for name, example in media.get("examples", {}).items()
    }
    if "example" in media:
        shown.setdefault("default", media["example"])
    return {name: body for name, body in shown.items() if isinstance(body, dict)}
