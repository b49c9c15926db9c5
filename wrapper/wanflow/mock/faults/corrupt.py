"""Corrupt a response as a fault says: its JSON, or its bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import evolve

from wanflow.mock.gateway.tasks import COMPLETED, FAILED
from wanflow.mock.http.response import Response, json_response

if TYPE_CHECKING:
    from wanflow.catalog.document import JsonObject
    from wanflow.mock.gateway.fault import Fault

_PAGE = b"<!doctype html>\n<title>Welcome</title>\n<h1>It works!</h1>\n"
_UNKNOWN_STATUS = "hibernating"


def html_response() -> Response:
    """Return an HTML page, as a proxy or captive portal would."""
    return Response(200, _PAGE, ((b"content-type", b"text/html; charset=utf-8"),))


def corrupt(response: Response, fault: Fault) -> Response:
    """Apply a fault to a response's body; one that isn't JSON is unchanged."""
    if (b"content-type", b"application/json") not in response.headers:
        return response
    match fault.name:
        case "truncated":
            return evolve(response, body=response.body[: len(response.body) // 2])
        case "garbled":
            return evolve(response, body=response.body.replace(b'"', b"'"))
        case _:
            body = _changed(json.loads(response.body), fault)
            return evolve(response, body=json_response(response.status, body).body)


def _changed(body: JsonObject, fault: Fault) -> JsonObject:
    match fault.name:
        case "unknown-status":
            return {**body, "status": _UNKNOWN_STATUS}
        case "regress":
            return _regressed(body)
        case _:
            changed: JsonObject = _without(body, fault.value.split("."), null=fault.name == "null")
            return changed


def _without(body: Any, path: list[str], *, null: bool) -> Any:
    """Return an object without the field at a path, or with it set to null."""
    first, *rest = path
    if not isinstance(body, dict) or first not in body:
        return body  # pyright: ignore[reportUnknownVariableType] - any JSON
    fields: dict[str, Any] = {**body}
    if rest:
        fields[first] = _without(fields[first], rest, null=null)
    elif null:
        fields[first] = None
    else:
        del fields[first]
    return fields


def _regressed(body: JsonObject) -> JsonObject:
    """Return an earlier state of a task."""
    ended = body.get("status") in {COMPLETED, FAILED}
    kept = {name: value for name, value in body.items() if name not in {"results", "error"}}
    return {**kept, "status": "processing" if ended else "pending", "progress": 40 if ended else 0}
