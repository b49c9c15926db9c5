"""Checks of the body of an error: its form, its code and type, and when to try again."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from wanflow_contract.checks.check import independent
from wanflow_contract.checks.definitions.headers import RETRY, RETRY_TIME
from wanflow_contract.checks.definitions.responses import CODE, NO_TASK, SHAPE, TYPE
from wanflow_contract.checks.faulty_field import response_field, response_header

if TYPE_CHECKING:
    from wanflow_contract.checks.documented_responses import DocumentedResponse
    from wanflow_contract.support.exchange import Exchange

_YEAR = 366 * 86400.0
# A page of HTML, or a value that a program wrote in place of a sentence.
_UNREADABLE = re.compile(
    r"<(?:!doctype|html|head|body|h[1-6]|p|div)\b|(?:null|none|undefined|\[object object\]|nan)$",
    re.IGNORECASE,
)
_STATUSES = ("pending", "processing", "completed", "failed")
_SECONDS = re.compile(r"retry after ([0-9]+) second", re.IGNORECASE)
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
