"""The laws of every single answer, whatever was asked: media type, schema, the shape of errors."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from wanflow_contract.checks.check import Law

if TYPE_CHECKING:
    from wanflow_contract.checks.documented_responses import Promise, Promised
    from wanflow_contract.support.exchange import Exchange

DOCUMENTED = Law(
    "documented-status",
    "An answer has a status that the document lists for its operation.",
)
JSON = Law("json", "An answer of the API is JSON, in UTF-8, and says so.")
SCHEMA = Law("schema", "A body is valid against the schema that the document has for its status.")
SHAPE = Law(
    "error-shape",
    "An error says what is wrong: a code, a message for a person, and a type.",
    "the error examples of every operation",
)
CODE = Law(
    "error-code",
    "An error's code is its status, or the word of later revisions for that status.",
    "the error examples of every operation",
)
TYPE = Law(
    "error-type",
    "An error's type is the one that the document shows for its status.",
    "the error examples of every operation",
)
NO_TASK = Law("error-only", "A refusal carries no task.")
NO_ERROR = Law("success-only", "A success carries no error of the request.")
RETRY = Law(
    "retry-after",
    "What an answer says of when to come back is a number of seconds or a date, and said once.",
    "Retry-After (seconds or HTTP date); `fallback_suggestion`: retry after 60 seconds",
)
LENGTH = Law("content-length", "The announced length is the length of the body.")

# What HTTP itself lets any server say, and what sibling documents add for submissions.
ALWAYS_RIGHT = frozenset({402, 405, 406, 408, 411, 413, 414, 415, 417, 431, 501, 505})
_JSON_TYPE = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json\s*(;.*)?", re.IGNORECASE)
_CHARSET = re.compile(r";\s*charset=\"?([^\s;\"]+)", re.IGNORECASE)
_YEAR = 366 * 86400.0
_SECONDS = re.compile(r"retry after ([0-9]+) second", re.IGNORECASE)


def judge_answer(promised: Promised, exchange: Exchange) -> Any:
    """Hold an answer of an operation against the laws of every answer; return its decoded body.

    Raises:
        LawBroken: it breaks one.
    """
    promise = promised.answers.get(exchange.status)
    if promise is None:
        listed = ", ".join(str(status) for status in promised.answers)
        known = exchange.status in ALWAYS_RIGHT
        DOCUMENTED.holds(known, f"{exchange.status}; {promised.id} lists {listed}", exchange)
        return _decoded(exchange) if _is_json(exchange) else None
    body = decoded(exchange)
    _judge_schema(promise, body, exchange)
    if exchange.status < 400:
        NO_ERROR.holds("error" not in body or "id" in body, "a 2xx with an error", exchange)
    else:
        judge_error(promise, body, exchange)
    return body


def decoded(exchange: Exchange) -> Any:
    """Return the body of an answer that has to be JSON.

    Raises:
        LawBroken: it isn't, or doesn't say so, or has another length than it says.
    """
    kinds = [value for name, value in exchange.headers if name.lower() == "content-type"]
    JSON.holds(
        len(kinds) == 1 and _JSON_TYPE.fullmatch(kinds[0]), f"Content-Type: {kinds}", exchange
    )
    charset = _CHARSET.search(kinds[0])
    unicode = charset is None or charset[1].lower() in {"utf-8", "utf8"}
    JSON.holds(unicode, f"Content-Type: {kinds[0]}", exchange)
    length = exchange.header("content-length")
    plain = exchange.header("content-encoding") is None
    if length is not None and plain and exchange.method != "HEAD":
        LENGTH.holds(length == str(len(exchange.content)), f"announced {length}", exchange)
    return _decoded(exchange)


def judge_error(promise: Promise, body: Any, exchange: Exchange) -> None:
    """Hold the body of a documented refusal against the laws of errors.

    Raises:
        LawBroken: it breaks one.
    """
    error = body.get("error") if isinstance(body, dict) else None
    SHAPE.holds(isinstance(error, dict), "there is no object `error`", exchange)
    assert isinstance(error, dict)
    for name in ("message", "type"):
        said = error.get(name)
        SHAPE.holds(isinstance(said, str) and said.strip(), f"error.{name} is {said!r}", exchange)
    _judge_code(promise, error.get("code"), exchange)
    types = {str(shown.get("type")) for shown in promise.errors}
    if types:
        TYPE.holds(error["type"] in types, f"{error['type']!r}, not {sorted(types)}", exchange)
    NO_TASK.holds(not {"id", "status", "results"} & body.keys(), f"it has {sorted(body)}", exchange)
    _judge_retry(error, exchange)


def _judge_code(promise: Promise, code: Any, exchange: Exchange) -> None:
    if isinstance(code, int) and not isinstance(code, bool):
        CODE.holds(code == exchange.status, f"code {code} with {exchange.status}", exchange)
        return
    SHAPE.holds(isinstance(code, str) and code.strip(), f"error.code is {code!r}", exchange)
    assert isinstance(code, str)
    if code.isdigit():
        CODE.holds(code == str(exchange.status), f"code {code!r}", exchange)
    foreign = _WORDS.get(code)
    CODE.holds(foreign in {None, exchange.status}, f"code {code!r} belongs to {foreign}", exchange)


def _judge_retry(error: dict[str, Any], exchange: Exchange) -> None:
    given = [value for name, value in exchange.headers if name.lower() == "retry-after"]
    RETRY.holds(len(given) <= 1, f"Retry-After: {given}", exchange)
    if not given:
        return
    header = given[0]
    if not re.fullmatch(r"[0-9]{1,7}", header):
        RETRY.holds(_is_near(header), f"Retry-After: {header}", exchange)
        return
    found = _SECONDS.search(str(error.get("fallback_suggestion", "")))
    if found:
        RETRY.holds(
            int(header) <= int(found[1]) or not int(found[1]),
            f"Retry-After: {header}, and {found[0]!r}",
            exchange,
        )


def _is_near(date: str) -> bool:
    """Tell whether a text is an HTTP date within a year of now: clocks may differ, not by that."""
    try:
        return abs(parsedate_to_datetime(date).timestamp() - time.time()) < _YEAR
    except ValueError:
        return False


def _judge_schema(promise: Promise, body: Any, exchange: Exchange) -> None:
    SCHEMA.holds(isinstance(body, dict), f"the body is {type(body).__name__}", exchange)
    if promise.validator is None:
        return
    for error in promise.validator.iter_errors(body):
        place = "/".join(str(part) for part in error.instance_path) or "the body"
        SCHEMA.broken(f"{place}: {error.message}", exchange)


def _is_json(exchange: Exchange) -> bool:
    return bool(_JSON_TYPE.fullmatch(exchange.header("content-type") or ""))


def _decoded(exchange: Exchange) -> Any:
    if exchange.method == "HEAD":
        return None
    try:
        return exchange.json()
    except (ValueError, RecursionError) as error:
        JSON.broken(f"the body can't be decoded: {error}", exchange)


# The words that later revisions use for `code`, from the facts on the task query.
_WORDS = {
    "invalid_task_id": 400,
    "unauthorized": 401,
    "quota_exceeded": 402,
    "permission_denied": 403,
    "task_not_found": 404,
    "rate_limit_exceeded": 429,
    "internal_error": 500,
}
