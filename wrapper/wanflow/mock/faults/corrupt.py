"""Spoil an answer as a fault wants it: its JSON, or the bytes of it."""

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
_UNHEARD_OF = "hibernating"


def html_response() -> Response:
    """Return what a proxy or a landing page would answer in the API's place."""
    return Response(200, _PAGE, ((b"content-type", b"text/html; charset=utf-8"),))


def corrupt(answer: Response, fault: Fault) -> Response:
    """Return an answer with a fault of the answer stage; one that isn't JSON stays as it is."""
    if (b"content-type", b"application/json") not in answer.headers:
        return answer
    match fault.name:
        case "truncated":
            return evolve(answer, body=answer.body[: len(answer.body) // 2])
        case "garbled":
            return evolve(answer, body=answer.body.replace(b'"', b"'"))
        case _:
            body = _changed(json.loads(answer.body), fault)
            return evolve(answer, body=json_response(answer.status, body).body)


def _changed(body: JsonObject, fault: Fault) -> JsonObject:
    match fault.name:
        case "unknown-enum":
            return {**body, "status": _UNHEARD_OF}
        case "backwards":
            return _regressed(body)
        case _:
            changed: JsonObject = _without(body, fault.value.split("."), null=fault.name == "null")
            return changed


def _without(body: Any, path: list[str], *, null: bool) -> Any:
    """Return an object without the field at a path, or with null there."""
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
    """Return a task as it could have been a while ago."""
    ended = body.get("status") in {COMPLETED, FAILED}
    kept = {name: value for name, value in body.items() if name not in {"results", "error"}}
    return {**kept, "status": "processing" if ended else "pending", "progress": 40 if ended else 0}
