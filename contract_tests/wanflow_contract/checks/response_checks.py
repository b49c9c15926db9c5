"""Checks of a single response to any request: status, media type, length, schema."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import evolve

from wanflow_contract.checks.check import independent
from wanflow_contract.checks.definitions.responses import (
    DOCUMENTED,
    JSON,
    LENGTH,
    NO_ERROR,
    SCHEMA,
)
from wanflow_contract.checks.error_checks import check_error
from wanflow_contract.checks.faulty_field import response_field, response_header

if TYPE_CHECKING:
    from wanflow_contract.checks.documented_responses import DocumentedResponse, OperationContract
    from wanflow_contract.support.exchange import Exchange


# Statuses that HTTP allows any server, and those that sibling documents add for submissions.
ALWAYS_ALLOWED = frozenset({402, 405, 406, 408, 411, 413, 414, 415, 417, 431, 501, 505})
_JSON_TYPE = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json\s*(;.*)?", re.IGNORECASE)
_CHARSET = re.compile(r";\s*charset=\"?([^\s;\"]+)", re.IGNORECASE)
_LONGEST_TYPE = 60


def check_response(contract: OperationContract, exchange: Exchange) -> Any:
    """Check a response of an operation, and return its decoded body.

    Raises:
        CheckFailed: a check fails.
    """
    documented = contract.responses.get(exchange.status)
    if documented is None:
        listed = ", ".join(str(status) for status in contract.responses)
        known = exchange.status in ALWAYS_ALLOWED
        DOCUMENTED.require(
            known,
            f"{exchange.status}; {contract.id} lists {listed}",
            exchange,
            pointer="response status",
            shape=str(exchange.status),
        )
        documented = _most_similar(contract, exchange.status)
        if known or documented is None:
            return _decoded(exchange) if _is_json(exchange) else None
    body = exchange.decoded()
    with independent():
        body = decoded(exchange)
    if body is None and exchange.content.strip() != b"null":
        return {}  # it isn't JSON, which is a failure already
    with independent():
        _check_schema(documented, body, exchange)
    if not isinstance(body, dict):
        return {}
    with independent():
        _check_content(contract, documented, body, exchange)
    return body


def _check_content(
    contract: OperationContract, documented: DocumentedResponse, body: Any, exchange: Exchange
) -> None:
    """Check an error; also one with the status of a success, which is a failure already."""
    if exchange.status >= 400:
        check_error(documented, body, exchange)
        return
    right = "error" not in body or "id" in body
    at = response_field("error")
    NO_ERROR.require(right, "a 2xx with an error", exchange, pointer=at)
    similar = None if right else _most_similar(contract, 400)
    if similar is not None:
        with independent():
            _check_schema(similar, body, exchange)
        check_error(similar, body, exchange)


def _most_similar(contract: OperationContract, status: int) -> DocumentedResponse | None:
    """Return the documented response that one with another status must resemble, if there is one.

    All errors have one form; what only some of them have isn't asked of others.
    """
    if status // 100 == 2:
        return contract.responses.get(200)
    errors = (one for one in contract.responses.values() if one.status >= 400)
    found = next(errors, None) if status >= 400 else None
    return evolve(found, status=status, examples=()) if found else None


def decoded(exchange: Exchange) -> Any:
    """Return the body of a response that must be JSON.

    Raises:
        CheckFailed: it isn't JSON, isn't labelled so, or has another length than announced.
    """
    with independent():
        _check_media_type(exchange)
    length = exchange.header("content-length")
    plain = exchange.header("content-encoding") is None
    if length is not None and plain and exchange.method != "HEAD":
        LENGTH.require(
            length == str(len(exchange.content)),
            f"announced {length}",
            exchange,
            pointer=response_header("Content-Length"),
        )
    return _decoded(exchange)


def _check_media_type(exchange: Exchange) -> None:
    kinds = [value for name, value in exchange.headers if name.lower() == "content-type"]
    JSON.require(
        len(kinds) == 1 and _JSON_TYPE.fullmatch(kinds[0]),
        f"Content-Type: {' and '.join(kinds) or 'none'}",
        exchange,
        pointer=response_header("Content-Type"),
        shape=f"{exchange.status}: {', '.join(map(_without_parameters, kinds)) or 'no type'}",
    )
    charset = _CHARSET.search(kinds[0])
    unicode = charset is None or charset[1].lower() in {"utf-8", "utf8"}
    JSON.require(
        unicode,
        f"Content-Type: {kinds[0]}",
        exchange,
        pointer=response_header("Content-Type"),
        shape=f"{exchange.status}: another charset",
    )


def _without_parameters(kind: str) -> str:
    return kind.partition(";")[0].strip().lower()[:_LONGEST_TYPE]


def _check_schema(documented: DocumentedResponse, body: Any, exchange: Exchange) -> None:
    SCHEMA.require(
        isinstance(body, dict),
        f"the body is {type(body).__name__}",
        exchange,
        cites=documented.source,
        pointer=response_field(),
        shape=f"{exchange.status}: no object",
    )
    if documented.validator is None:
        return
    for error in documented.validator.iter_errors(body):
        place = "/".join(str(part) for part in error.instance_path) or "the body"
        kind: Any = error.kind
        absent = [kind.property] if kind.name == "required" else []
        SCHEMA.require(
            False,
            f"{place}: {error.message}",
            exchange,
            cites=documented.source,
            pointer=response_field(*error.instance_path, *absent),
            shape=f"{exchange.status}: violates {error.schema_path[-1]}",
        )


def _is_json(exchange: Exchange) -> bool:
    return bool(_JSON_TYPE.fullmatch(exchange.header("content-type") or ""))


def _decoded(exchange: Exchange) -> Any:
    if exchange.method == "HEAD":
        return None
    try:
        return exchange.json()
    except (ValueError, RecursionError) as error:
        JSON.fail(
            f"the body can't be decoded: {error}",
            exchange,
            pointer=response_field(),
            shape=f"{exchange.status}: can't be decoded",
        )
