"""Turn an answer that isn't a success into the error that says who must act."""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Any, cast

from wanflow import errors
from wanflow._core.snapshot import decode_json

if TYPE_CHECKING:
    from wanflow._core.effects import Response

_SHOWN = 300
# No answer asks for more seconds than a number of so many digits says.
_LONGEST = 1e9
# The documents put the seconds into `fallback_suggestion`: "retry after 60 seconds".
_SUGGESTED = re.compile(r"\bafter\s+([0-9]{1,6})\s*s", re.IGNORECASE | re.ASCII)

_KINDS: dict[int, type[errors.APIError]] = {
    400: errors.BadRequest,
    401: errors.AuthenticationFailed,
    402: errors.InsufficientCredits,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    413: errors.RequestTooLarge,
    429: errors.RateLimited,
}


def api_error(reply: Response, *, unix: float, task_id: str | None = None) -> errors.APIError:
    """Make the error for an answer, of the type for its status.

    Args:
        reply: any answer, whatever its status and body.
        unix: the time now, in seconds UTC, to read a Retry-After that is a date.
        task_id: the task that was asked for.
    """
    body = _body(reply)
    told = _told(body)
    suggestion = _word(told.get("fallback_suggestion"))
    code = told.get("code")
    return _kind(reply.status)(
        _message(reply, told, task_id),
        status=reply.status,
        code=code if isinstance(code, int | str) else None,
        type=_word(told.get("type")),
        param=_word(told.get("param")),
        fallback_suggestion=suggestion,
        request_id=reply.headers.get("x-request-id"),
        retry_after=retry_after(reply, suggestion, unix=unix),
        body=body,
        task_id=task_id,
    )


def unreadable_response(
    reply: Response, reason: str, *, task_id: str | None = None
) -> errors.UnexpectedResponse:
    """Make the error for a success whose body can't be read."""
    return errors.UnexpectedResponse(
        f"the API answered {reply.status}{_about(task_id)}, but {reason}: "
        f"{_excerpt(reply.content)!r}",
        status=reply.status,
        request_id=reply.headers.get("x-request-id"),
        body=_excerpt(reply.content),
        task_id=task_id,
    )


def retry_after(reply: Response, suggestion: str | None = None, *, unix: float) -> float | None:
    """Read how many seconds an answer asks to wait: its header, else its suggestion, else None.

    A date is read against the date of the answer itself: `unix`, the time of this machine, stands
    in where it has none.
    """
    header = reply.headers.get("retry-after", "").strip()
    if header.isascii() and header.isdigit():
        return min(float(header), _LONGEST)
    until = _date(header)
    if until is not None:
        sent = _date(reply.headers.get("date", ""))
        return max(0.0, until - (unix if sent is None else sent))
    found = _SUGGESTED.search(suggestion or "")
    return float(found[1]) if found else None


def _date(header: str) -> float | None:
    """Read an HTTP date, in unix seconds."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - it costs 7 ms to import

    try:
        moment = parsedate_to_datetime(header)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None


def _kind(status: int) -> type[errors.APIError]:
    if status >= 500:  # noqa: PLR2004 - every 5xx, documented or not
        return errors.ServerError
    return _KINDS.get(status, errors.APIError if status >= 400 else errors.UnexpectedResponse)  # noqa: PLR2004


def _message(reply: Response, told: dict[str, Any], task_id: str | None) -> str:
    kind = _word(told.get("type"))
    text = _word(told.get("message")) or _excerpt(reply.content) or "no message"
    param = _word(told.get("param"))
    suggestion = _word(told.get("fallback_suggestion"))
    parts = (
        f"the API answered {reply.status}",
        f" {kind}" if kind else "",
        _about(task_id),
        f": {text[:_SHOWN]}",
        f" (param {param})" if param else "",
        f"; it suggests: {suggestion[:_SHOWN]}" if suggestion else "",
    )
    return "".join(parts)


def _about(task_id: str | None) -> str:
    return "" if task_id is None else f" about task {task_id}"


def _body(reply: Response) -> Any:
    try:
        return decode_json(reply.content)
    except ValueError:
        return _excerpt(reply.content)


def _told(body: Any) -> dict[str, Any]:
    told: Any = cast("dict[str, Any]", body).get("error") if isinstance(body, dict) else None
    return cast("dict[str, Any]", told) if isinstance(told, dict) else {}


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _excerpt(content: bytes) -> str:
    return content[:_SHOWN].decode("utf-8", "replace").strip()
