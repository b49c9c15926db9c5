"""What both colours need of httpx: its arguments, its answers, and its errors as faults."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx

from wanflow._core.effects import Fault, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow._core.effects import Fetch, Request
    from wanflow._settings import Key, Route, Settings

# Raised before a byte of the request was written. Everything else may have come after.
_UNSENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.ProxyError,
    httpx.InvalidURL,
    httpx.LocalProtocolError,
)
# An answer of this API has some kilobytes.
_LARGEST_ANSWER = 16 * 1024 * 1024
# Tasks are looked at every few seconds, and httpx's own 5 s would open a connection for each look.
_KEEPALIVE = 90.0
# A pool that is never handed more requests than it has connections has one at once, or is dead.
_POOL_PATIENCE = 5.0


def timeouts(seconds: float) -> httpx.Timeout:
    """Return httpx's timeouts for an exchange that may take some seconds in all.

    Connecting is given a third, so that a host that can't be reached is known as such before the
    whole exchange is called too slow.
    """
    return httpx.Timeout(seconds, connect=seconds / 3, pool=min(_POOL_PATIENCE, seconds / 3))


def options(line: Route) -> dict[str, Any]:
    """Return the arguments for an httpx client: no key in its headers, no redirect followed."""
    limits = httpx.Limits(
        max_connections=line.connections,
        max_keepalive_connections=line.connections,
        keepalive_expiry=_KEEPALIVE,
    )
    return {
        "follow_redirects": False,
        "headers": {"user-agent": "wanflow"},
        "limits": limits,
        "proxy": line.proxy,
        "transport": line.transport,
        "verify": line.verify,
    }


def request(request: Request, settings: Settings, trace: Any = None) -> dict[str, Any]:
    """Return the arguments that send a request to the API, the key included.

    The path is appended: resolving it against the base URL would drop the base URL's own path.
    """
    return {
        "method": request.method,
        "url": settings.base_url + request.path,
        "content": request.content,
        "headers": {**request.headers, "accept": "application/json", **settings.key.header()},
        "timeout": timeouts(settings.timeout),
        "extensions": {} if trace is None else {"trace": trace},
    }


def fetching(fetch: Fetch, settings: Settings) -> dict[str, Any]:
    """Return the arguments that stream a link, without the key."""
    return {
        "method": "GET",
        "url": fetch.url,
        "headers": dict(fetch.headers),
        "timeout": timeouts(min(settings.timeout, fetch.seconds)),
    }


def head(response: httpx.Response) -> Reply:
    """Return an answer's head, without a body. Where a header came twice, the last one counts."""
    return Reply(response.status_code, _headers(response), b"")


def reply(response: httpx.Response, content: bytes, key: Key) -> Reply:
    """Return a whole answer, the key blotted out of it."""
    return Reply(response.status_code, _headers(response), key.redact(content))


def _headers(response: httpx.Response) -> Mapping[str, str]:
    encoding = "latin-1"
    return {
        name.decode(encoding).lower(): value.decode(encoding)
        for name, value in response.headers.raw
    }


class BoundedBody:
    """Collects a body that may take `seconds` in all, and 16 MiB.

    httpx bounds the time of each read only, so a server that drips bytes could hold it for ever.
    """

    def __init__(self, seconds: float) -> None:
        self._chunks: list[bytes] = []
        self._size = 0
        self._deadline = time.monotonic() + seconds

    def add(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            Fault: there are too many, or they came too slowly.
        """
        self._size += len(chunk)
        if self._size > _LARGEST_ANSWER:
            raise Fault(f"the answer is larger than {_LARGEST_ANSWER} bytes", sent=True)
        if time.monotonic() > self._deadline:
            raise Fault("the answer came too slowly", sent=True)
        self._chunks.append(chunk)

    @property
    def content(self) -> bytes:
        """All bytes so far."""
        return b"".join(self._chunks)


class Sent:
    """Notes, through httpx's trace, whether a request has begun to be written.

    Only httpx's own transports trace; after any other, the kind of error must tell.
    """

    def __init__(self) -> None:
        self._traced = False
        self._written = False

    @classmethod
    def of(cls, request: Request) -> Sent | None:
        """Return a note for a request that may not be sent twice, None for a mere question."""
        return None if request.content is None else cls()

    def trace(self, event: str, _info: Any) -> None:
        """Take an event from a sync transport."""
        self._traced = True
        if event.endswith("send_request_headers.started"):
            self._written = True

    async def atrace(self, event: str, info: Any) -> None:
        """Take an event from an async transport."""
        self.trace(event, info)

    def after(self, error: Exception) -> bool:
        """Tell whether the request may have reached the server before this error."""
        return self._written if self._traced else not isinstance(error, _UNSENT)


def as_fault(error: Exception, key: Key, sent: Sent | None = None) -> Fault:
    """Make the fault for an exception of the transport's.

    Raise it outside the except block: no exception of httpx may hang on as its context, since it
    holds the request, and so the key.
    """
    return Fault(_reason(error, key), sent=(sent or Sent()).after(error))


def _reason(error: Exception, key: Key) -> str:
    text = f"{_where(error)}{type(error).__name__}: {error or 'no reason given'}"
    return key.redact(text.encode("utf-8", "replace")).decode()


def _where(error: Exception) -> str:
    """Name the host and port that were asked, where the error knows them."""
    if not isinstance(error, httpx.RequestError):
        return ""
    try:
        return f"{error.request.url.netloc.decode()}: "
    except RuntimeError:
        return ""
