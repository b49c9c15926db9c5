"""Turn a response that isn't a success into an error."""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from wanflow import errors
from wanflow._core.snapshot import decode_json

if TYPE_CHECKING:
    from wanflow._core.effects import Request, Response

_MAX_SHOWN = 300
_CHECK_URL = ", so check the base URL"
# No answer asks for more seconds than a number of so many digits says.
_MAX_RETRY_AFTER = 1e9
# The documents put the seconds into `fallback_suggestion`: "retry after 60 seconds".
_PAGE = re.compile(r"\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>([^<]*)", re.IGNORECASE)
# A server says so of paths that it doesn't have, and of those that it has for reading only.
_NO_SUCH_PATH = frozenset({404, 405})
# What servers answer to a request without TLS where they want it.
_WITHOUT_TLS = frozenset({400, 403, 426})
_TLS = re.compile(r"\b(?:https|ssl|tls)\b", re.IGNORECASE)
_SUGGESTED = re.compile(r"\bafter\s+([0-9]{1,6})\s*s", re.IGNORECASE | re.ASCII)

_ERROR_TYPES: dict[int, type[errors.APIError]] = {
    400: errors.BadRequest,
    401: errors.AuthenticationFailed,
    402: errors.InsufficientCredits,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    413: errors.RequestTooLarge,
    429: errors.RateLimited,
}


def api_error(
    response: Response, request: Request, *, now: float, task_id: str | None = None
) -> errors.APIError:
    """Make the error for a response, of the type for its status.

    Args:
        response: any response, whatever its status and body.
        request: the request, which the message names.
        now: the Unix time, to read a Retry-After that is a date.
        task_id: the task that was asked for.
    """
    body = _body(response)
    fields = _error_fields(body)
    suggestion = _text(fields.get("fallback_suggestion"))
    code = fields.get("code")
    kind, hint = _error_type(response.status), ""
    if response.status in _NO_SUCH_PATH and _is_wrong_base_url(request.base_url, fields, body):
        kind, hint = errors.WrongBaseURL, _base_url_hint(request.base_url)
    elif _wants_tls(response, request.base_url):
        secure = f"https{request.base_url[4:]}"
        kind, hint = errors.WrongBaseURL, f"; this server wants TLS: try the base URL {secure}"
    return kind(
        _message(response, fields, task_id, request.describe()) + hint,
        status=response.status,
        code=code if isinstance(code, int | str) else None,
        type=_text(fields.get("type")),
        param=_text(fields.get("param")),
        fallback_suggestion=suggestion,
        request_id=response.headers.get("x-request-id"),
        retry_after=retry_after(response, suggestion, now=now),
        sent_at=sent_at(response, now),
        body=body,
        task_id=task_id,
    )


def unreadable_response(
    response: Response, request: Request, reason: str, *, task_id: str | None = None
) -> errors.UnexpectedResponse:
    """Make the error for a success whose body can't be read."""
    excerpt = _excerpt(response.content)
    found = f"it is {_page(excerpt)}{_CHECK_URL}" if _is_page(excerpt) else f"{reason}: {excerpt!r}"
    error = errors.UnexpectedResponse(
        f"the API answered {response.status}{_task_phrase(task_id)}, but {found} "
        f"({request.describe()})",
        status=response.status,
        request_id=response.headers.get("x-request-id"),
        body=excerpt,
        task_id=task_id,
    )
    error.problem = reason
    return error


def _wants_tls(response: Response, base_url: str) -> bool:
    """Return whether a server that was reached by `http://` says that it is at `https://`.

    It redirects there, or says in a text of its own, which no error of the API is, that it was
    spoken to without TLS.
    """
    if not base_url.lower().startswith("http://"):
        return False
    if 300 <= response.status < 400:  # noqa: PLR2004 - a redirect
        target, given = response.headers.get("location", ""), urlsplit(base_url).hostname or ""
        return re.match(rf"https://{re.escape(given)}(?:[:/?]|$)", target, re.I) is not None
    if response.status not in _WITHOUT_TLS or isinstance(_body(response), dict):
        return False
    return _TLS.search(response.content.decode("utf-8", "replace")) is not None


def _is_wrong_base_url(base_url: str, fields: dict[str, Any], body: Any) -> bool:
    """Return whether a server doesn't have a path of the spec: there is a page instead.

    Where the base URL has another path than the spec's servers, an error is enough that has
    neither a parameter nor a code in words, as the API's own errors have: it is of any path.
    """
    from wanflow._core.base_urls import has_path_of  # noqa: PLC0415 - only after such an error

    if not base_url or has_path_of(base_url, _servers()):
        return isinstance(body, str) and _is_page(body)
    return not (_text(fields.get("param")) or _text(fields.get("code")))


def _servers() -> tuple[str, ...]:
    from wanflow.catalog.catalog import packaged_catalog  # noqa: PLC0415 - only after such an error

    return packaged_catalog().server_urls


def _base_url_hint(base_url: str) -> str:
    from wanflow._core.base_urls import likely_base_urls  # noqa: PLC0415 - only after such an error

    likely = likely_base_urls(base_url, _servers())
    meant = f"; did you mean {' or '.join(likely)}?" if likely else ""
    return f"; the API is not at the base URL {base_url}{meant}"


def retry_after(response: Response, suggestion: str | None = None, *, now: float) -> float | None:
    """Read how many seconds an answer asks to wait: its header, else its suggestion, else None.

    A date is read against the date of the answer itself: `unix`, the time of this machine, stands
    in where it has none.
    """
    header = response.headers.get("retry-after", "").strip()
    if header.isascii() and header.isdigit():
        return min(float(header), _MAX_RETRY_AFTER)
    until = _date(header)
    if until is not None:
        return max(0.0, until - sent_at(response, now))
    found = _SUGGESTED.search(suggestion or "")
    return float(found[1]) if found else None


def sent_at(response: Response, now: float) -> float:
    """Return when an answer was sent, by its server's clock; `now` where it doesn't say.

    In Unix seconds. What expires does so by that clock: the one of this machine may be wrong.
    """
    sent = _date(response.headers.get("date", ""))
    return now if sent is None else sent


def _date(header: str) -> float | None:
    """Read an HTTP date, in unix seconds."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - it costs 7 ms to import

    try:
        date = parsedate_to_datetime(header)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None


def _error_type(status: int) -> type[errors.APIError]:
    if status >= 500:  # noqa: PLR2004 - every 5xx, documented or not
        return errors.ServerError
    return _ERROR_TYPES.get(status, errors.APIError if status >= 400 else errors.UnexpectedResponse)  # noqa: PLR2004


def _message(response: Response, fields: dict[str, Any], task_id: str | None, request: str) -> str:
    kind = _text(fields.get("type"))
    excerpt = _excerpt(response.content)
    shown = _page(excerpt) if _is_page(excerpt) else excerpt or "no message"
    text = _text(fields.get("message")) or shown
    param = _text(fields.get("param"))
    suggestion = _text(fields.get("fallback_suggestion"))
    parts = (
        f"the API answered {response.status}",
        f" {kind}" if kind else "",
        _task_phrase(task_id),
        f": {text[:_MAX_SHOWN]}",
        f" (param {param})" if param else "",
        f"; it suggests: {suggestion[:_MAX_SHOWN]}" if suggestion else "",
        _redirect_phrase(response),
        f" ({request})",
    )
    return "".join(parts)


def _redirect_phrase(response: Response) -> str:
    """Name where a response redirects to, without what may be secret in it."""
    target = response.headers.get("location", "").partition("?")[0].partition("#")[0]
    if not 300 <= response.status < 400 or not target or "@" in target:  # noqa: PLR2004
        return ""
    return f"; it redirects to {target[:_MAX_SHOWN]}{_CHECK_URL}"


def _is_page(excerpt: str) -> bool:
    return _PAGE.match(excerpt) is not None


def _page(excerpt: str) -> str:
    title = _TITLE.search(excerpt)
    return f"a page of HTML ({title[1].strip()!r})" if title else "a page of HTML"


def _task_phrase(task_id: str | None) -> str:
    return "" if task_id is None else f" about task {task_id}"


def _body(response: Response) -> Any:
    try:
        return decode_json(response.content)
    except ValueError:
        return _excerpt(response.content)


def _error_fields(body: Any) -> dict[str, Any]:
    fields: Any = cast("dict[str, Any]", body).get("error") if isinstance(body, dict) else None
    return cast("dict[str, Any]", fields) if isinstance(fields, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _excerpt(content: bytes) -> str:
    return content[:_MAX_SHOWN].decode("utf-8", "replace").strip()
