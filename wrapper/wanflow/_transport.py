"""What both drivers need of httpx: options, requests and answers, and its errors as faults."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx

from wanflow._core.effects import Fault, Reply
from wanflow.errors import WanflowError

if TYPE_CHECKING:
    from collections.abc import Generator

    from wanflow._core.effects import Request
    from wanflow._settings import Key, Settings

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


def options(settings: Settings) -> dict[str, Any]:
    """Return the arguments for an httpx client: no key in its headers, no redirect followed."""
    return {
        "timeout": httpx.Timeout(settings.timeout),
        "follow_redirects": False,
        "limits": httpx.Limits(max_connections=100, keepalive_expiry=_KEEPALIVE),
        "headers": {"user-agent": "wanflow"},
    }


def request(request: Request, settings: Settings) -> dict[str, Any]:
    """Return the arguments that send a request to the API, the key included.

    The path is appended: resolving it against the base URL would drop the base URL's own path.
    """
    return {
        "method": request.method,
        "url": settings.base_url + request.path,
        "content": request.content,
        "headers": {**request.headers, "accept": "application/json", **settings.key.header()},
    }


def head(response: httpx.Response) -> Reply:
    """Return an answer's head, without a body."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, b"")


def reply(response: httpx.Response, content: bytes, key: Key) -> Reply:
    """Return a whole answer, the key blotted out of it."""
    return Reply(response.status_code, head(response).headers, key.redact(content))


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


@contextmanager
def faults(key: Key) -> Generator[None]:
    """Turn what the transport raises into a Fault; nothing of httpx goes further than here."""
    try:
        yield
    except (Fault, WanflowError):
        raise
    except Exception as error:
        fault = Fault(_reason(error, key), sent=not isinstance(error, _UNSENT))
    else:
        return
    # Outside the except block, so that the httpx exception doesn't hang on as __context__.
    raise fault


def _reason(error: Exception, key: Key) -> str:
    text = f"{type(error).__name__}: {error or 'no reason given'}"
    return key.redact(text.encode("utf-8", "replace")).decode()
