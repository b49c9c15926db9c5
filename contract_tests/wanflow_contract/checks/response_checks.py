"""Checks of a single response to any request: media type, schema, the form of errors."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from wanflow_contract.checks.check import independent
from wanflow_contract.checks.definitions.headers import RETRY, RETRY_TIME
from wanflow_contract.checks.definitions.responses import (
    CODE,
    DOCUMENTED,
    JSON,
    LENGTH,
    NO_ERROR,
    NO_TASK,
    SCHEMA,
    SHAPE,
    TYPE,
)
from wanflow_contract.checks.faulty_field import response_field, response_header

if TYPE_CHECKING:
    from wanflow_contract.checks.documented_responses import DocumentedResponse, OperationContract
    from wanflow_contract.support.exchange import Exchange


# Statuses that HTTP allows any server, and those that sibling documents add for submissions.
ALWAYS_ALLOWED = frozenset({402, 405, 406, 408, 411, 413, 414, 415, 417, 431, 501, 505})
_JSON_TYPE = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json\s*(;.*)?", re.IGNORECASE)
_CHARSET = re.compile(r";\s*charset=\"?([^\s;\"]+)", re.IGNORECASE)
_YEAR = 366 * 86400.0
# A page of HTML, or a value that a program wrote in place of a sentence.
_UNREADABLE = re.compile(
    r"<(?:!doctype|html|head|body|h[1-6]|p|div)\b|(?:null|none|undefined|\[object object\]|nan)$",
    re.IGNORECASE,
)
_STATUSES = ("pending", "processing", "completed", "failed")
_SECONDS = re.compile(r"retry after ([0-9]+) second", re.IGNORECASE)


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
        documented = contract.responses.get(200) if exchange.status // 100 == 2 else None
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
    if exchange.status < 400:
        NO_ERROR.require(
            "error" not in body or "id" in body,
            "a 2xx with an error",
            exchange,
            pointer=response_field("error"),
        )
    else:
        check_error(documented, body, exchange)
    return body


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
        f"Content-Type: {kinds}",
        exchange,
        pointer=response_header("Content-Type"),
        shape=f"{exchange.status}: {len(kinds)} types",
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


def check_error(documented: DocumentedResponse, body: Any, exchange: Exchange) -> None:
    """Check the body of a documented error response.

    Raises:
        CheckFailed: a check fails.
    """
    error = body.get("error") if isinstance(body, dict) else None
    SHAPE.require(
        isinstance(error, dict),
        "there is no object `error`",
        exchange,
        pointer=response_field("error"),
        shape=f"{exchange.status}: absent",
    )
    assert isinstance(error, dict)
    for name in ("message", "type"):
        said = error.get(name)
        SHAPE.require(
            isinstance(said, str) and said.strip(),
            f"error.{name} is {said!r}",
            exchange,
            pointer=response_field("error", name),
            shape=f"{exchange.status}: no text",
        )
    message = str(error.get("message")).strip()
    SHAPE.require(
        not _UNREADABLE.match(message),
        f"error.message is {message!r}",
        exchange,
        pointer=response_field("error", "message"),
        shape=f"{exchange.status}: no sentence",
    )
    with independent():
        _check_code(documented, error.get("code"), exchange)
    types = {str(shown.get("type")) for shown in documented.errors}
    if types:
        TYPE.require(
            error.get("type") in types,
            f"{error.get('type')!r}, not {sorted(types)}",
            exchange,
            pointer=response_field("error", "type"),
            shape=f"{exchange.status}: another type",
        )
    NO_TASK.require(
        not _has_task(body),
        f"it has {sorted(body)}",
        exchange,
        shape=f"{exchange.status} with a task",
    )
    _check_retry(error, exchange)


def _has_task(body: dict[str, Any]) -> bool:
    """Return whether an error has a task; other fields, as an id of the request, are allowed."""
    named = str(body.get("id", "")).startswith("task-unified-")
    return named or body.get("status") in _STATUSES or bool(body.get("results"))


def _check_code(documented: DocumentedResponse, code: Any, exchange: Exchange) -> None:
    if isinstance(code, int) and not isinstance(code, bool):
        CODE.require(
            code == exchange.status,
            f"code {code} with {exchange.status}",
            exchange,
            pointer=response_field("error", "code"),
        )
        return
    SHAPE.require(
        isinstance(code, str) and code.strip(),
        f"error.code is {code!r}",
        exchange,
        pointer=response_field("error", "code"),
        shape=f"{exchange.status}: no code",
    )
    assert isinstance(code, str)
    reason = code in _REASONS and exchange.method == "GET"
    CODE.require(
        not reason,
        f"code {code!r} is why a task fails",
        exchange,
        pointer=response_field("error", "code"),
        shape=f"{exchange.status}: the code of a failed task",
    )
    if code.isdigit():
        CODE.require(
            code == str(exchange.status),
            f"code {code!r}",
            exchange,
            pointer=response_field("error", "code"),
            shape=f"{exchange.status}: another number",
        )
    foreign = _CODES.get(code)
    CODE.require(
        foreign in {None, exchange.status},
        f"code {code!r} is for status {foreign}",
        exchange,
        pointer=response_field("error", "code"),
        shape=f"{exchange.status}: the code of {foreign}",
    )


def _check_retry(error: dict[str, Any], exchange: Exchange) -> None:
    given = [value for name, value in exchange.headers if name.lower() == "retry-after"]
    at = response_header("Retry-After")
    RETRY.require(len(given) <= 1, f"Retry-After: {given}", exchange, pointer=at, shape="repeated")
    if not given:
        return
    header = given[0]
    seconds = seconds_until(header)
    RETRY.require(
        seconds is not None, f"Retry-After: {header}", exchange, pointer=at, shape="no time"
    )
    if seconds is None:
        return
    near = abs(seconds) < _YEAR
    RETRY_TIME.require(near, f"Retry-After: {header}", exchange, pointer=at, shape="years")
    found = _SECONDS.search(str(error.get("fallback_suggestion", "")))
    if found and header.isdigit():
        RETRY_TIME.require(
            seconds <= int(found[1]) or not int(found[1]),
            f"Retry-After: {header}, and {found[0]!r}",
            exchange,
            pointer=at,
            shape="later than suggested",
        )


def seconds_until(header: str) -> float | None:
    """Return the seconds that a Retry-After asks for, None if it is neither a number nor a date."""
    if re.fullmatch(r"[0-9]{1,300}", header):
        return float(header)
    try:
        return parsedate_to_datetime(header).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None


def _check_schema(documented: DocumentedResponse, body: Any, exchange: Exchange) -> None:
    SCHEMA.require(
        isinstance(body, dict),
        f"the body is {type(body).__name__}",
        exchange,
        pointer=response_field(),
        shape=f"{exchange.status}: no object",
    )
    if documented.validator is None:
        return
    for error in documented.validator.iter_errors(body):
        place = "/".join(str(part) for part in error.instance_path) or "the body"
        SCHEMA.require(
            False,
            f"{place}: {error.message}",
            exchange,
            pointer=response_field(*error.instance_path),
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


# Codes that only the error of a failed task has, never that of a query.
_REASONS = frozenset(
    {
        "generation_failed_no_content",
        "generation_timeout",
        "image_processing_error",
        "image_dimension_mismatch",
        "request_cancelled",
    }
)
# The strings that later revisions use for `code`, from the documentation of the task query.
_CODES = {
    "invalid_task_id": 400,
    "unauthorized": 401,
    "quota_exceeded": 402,
    "permission_denied": 403,
    "task_not_found": 404,
    "rate_limit_exceeded": 429,
    "internal_error": 500,
}
