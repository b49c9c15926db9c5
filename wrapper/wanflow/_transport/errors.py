"""Maps exceptions of HTTP libraries to TransportError, without their frames, which hold the key."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any, Self

from wanflow._core.effects import TransportError
from wanflow._http_library import is_http_error
from wanflow._text import one_line
from wanflow.errors import WanflowError

if TYPE_CHECKING:
    from wanflow._config import ApiKey
    from wanflow._transport.send_observer import SendObserver

# Of the HTTP library, the errors whose text is its own or the operating system's.
_LOCAL = ("NetworkError", "TimeoutException")
# What OpenSSL says where a server answers in plain HTTP.
_NO_TLS = "WRONG_VERSION_NUMBER"
_USE_HTTP = "; the server speaks no TLS at this port: is its URL http://…?"

_CUT_HEAD = "the connection was closed within the head of the response"


class ErrorMapper:
    """Maps the exceptions of one request.

        with ErrorMapper(key, observer) as mapper:
            return exchange()
        raise mapper.error

    Errors of this library, interrupts and cancellations pass. If the request carries the key
    (`keyed`), the variables of their frames are cleared.
    """

    error: TransportError
    """The error of the request."""
    pool_is_stuck = False
    """Whether the library's pool gave no connection, although one was free."""

    def __init__(
        self, key: ApiKey, sending: SendObserver | None = None, *, keyed: bool = True
    ) -> None:
        self._key = key
        self._sending = sending
        self._keyed = keyed

    def __enter__(self) -> Self:
        self._before = sys.exception()
        if self._sending is not None:
            self._sending.start()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if self._sending is not None:
            self._sending.finish(error)
        reason = "" if error is None else _reason(error, self._before)
        if error is not None and self._keyed:
            _clear_frames(error, self._before)
        self._before = None
        if not isinstance(error, Exception) or isinstance(error, WanflowError):
            return False
        self.pool_is_stuck = is_http_error(error, "PoolTimeout")
        sent = self._sending is None or self._sending.maybe_sent
        self.error = TransportError(
            _describe(error, reason, self._key),
            maybe_sent=sent,
            summary=_summary(error, reason, self._key),
        )
        return True


def _clear_frames(error: BaseException, before: BaseException | None) -> None:
    """Clear the variables of an error's frames, and remove its causes.

    `before` is the exception that was being handled before the request, and stays its context.
    """
    traceback.clear_frames(error.__traceback__)
    error.__cause__, error.__context__ = None, before
    parts: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    for part in parts if isinstance(error, BaseExceptionGroup) else ():
        _clear_frames(part, None)


def setup_error(error: Exception) -> TransportError:
    """Make the error for a backend that can't be set up; raise it outside the except block."""
    return TransportError(
        f"{type(error).__name__}: {str(error) or 'no reason given'}", maybe_sent=False
    )


def _reason(error: BaseException, before: BaseException | None) -> str:
    """Return its text, else that of the operating system's error behind it, else nothing.

    `before` is the exception that was being handled before the request: it is of something else.
    """
    if not isinstance(getattr(error, "message", ""), str):
        return _CUT_HEAD  # aiohttp: the text is what it had parsed
    text, behind = str(error), error.__cause__ or error.__context__
    while not text and behind is not None and behind is not before:
        text = str(behind) if isinstance(behind, OSError) else ""
        behind = behind.__cause__ or behind.__context__
    return text


def _describe(error: Exception, reason: str, key: ApiKey) -> str:
    if isinstance(error, TransportError):
        return error.reason
    return _without_key(f"{type(error).__name__}: {reason or 'no reason given'}", error, key)


def _summary(error: Exception, reason: str, key: ApiKey) -> str:
    """Describe an error in words of this machine: those of a server may repeat the request."""
    if isinstance(error, TransportError):
        return error.summary
    local = isinstance(error, OSError) or is_http_error(error, *_LOCAL)
    text = f": {reason}" if local and reason else ""
    return _without_key(f"{type(error).__name__}{text}", error, key)


def _without_key(text: str, error: Exception, key: ApiKey) -> str:
    """Return a description of an error on one line, with its host and without the key."""
    hint = _USE_HTTP if _NO_TLS in text else ""
    content = key.redact(f"{_host(error)}{text}{hint}".encode("utf-8", "replace"))
    return one_line(content.decode("utf-8", "replace"))


def _host(error: Exception) -> str:
    """Return the host and port of the request, if the error has them."""
    if not is_http_error(error, "RequestError"):
        return ""
    failed: Any = error
    try:
        return f"{failed.request.url.netloc.decode()}: "
    except RuntimeError:
        return ""
