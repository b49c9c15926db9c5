"""What all backends share: arguments of requests, responses, and limits."""

from __future__ import annotations

import inspect
import time
from functools import partial
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any, cast

from wanflow._core.content_coding import decode_body, decode_prefix
from wanflow._core.effects import Response, TransportError
from wanflow._core.header_rules import user_agent
from wanflow._event_loop import run_in_thread
from wanflow._transport.environment import tls_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
    from types import ModuleType

    from wanflow._config import ApiKey, ClientConfig, TransportOptions
    from wanflow._core.effects import Request, StreamDownload
    from wanflow._http_library import HttpResponse, HttpTimeout

# A response of this API has some kilobytes.
_MAX_BODY = 16 * 1024 * 1024
# Tasks are polled every few seconds: with the library's 5 s each poll would open a connection.
KEEPALIVE = 90.0
"""Seconds after which an idle connection is closed."""
_HEADERS = "wanflow_headers"
_CODING = "content-encoding"
_ENCODED = frozenset({_CODING.encode(), b"content-length"})
# The library's pool never gets more requests than it has connections: with none free, it is stuck.
_POOL_TIMEOUT = 5.0


class _NoCookies(CookieJar):
    """Stores no cookies, so it sends none."""

    def extract_cookies(self, response: object, request: object) -> None:
        """Ignore the cookies of a response."""


def timeouts(library: ModuleType, seconds: float, config: ClientConfig) -> HttpTimeout:
    """Return the library's timeouts for a request that may take some seconds in all.

    Connecting may take a third of the client's timeout, so that an unreachable host is reported as
    such, and not as a request that took too long.
    """
    connect, pool = min(seconds, config.timeout / 3), min(_POOL_TIMEOUT, seconds / 3)
    found: HttpTimeout = library.Timeout(seconds, connect=connect, pool=pool)
    return found


def client_kwargs(
    options: TransportOptions,
    library: ModuleType,
    kind: type[Any],
    take_head: Callable[..., Any],
) -> dict[str, Any]:
    """Return the arguments for a client of the library: no key in its headers, no redirects, no
    cookies.

    It doesn't read the environment. `kind` makes the transports for proxies, and `take_head` is
    called with each response before the library reads its headers.
    """
    limits = library.Limits(
        max_connections=options.max_connections,
        max_keepalive_connections=options.max_connections,
        keepalive_expiry=KEEPALIVE,
    )
    shared = {"limits": limits, "verify": tls_context(options.verify), "trust_env": False}
    mounts = options.mounts.items()
    return {
        **shared,
        "cookies": _NoCookies(),
        "event_hooks": {"response": [take_head]},
        "follow_redirects": False,
        "headers": user_agent(f"{library.__name__}/{library.__version__}", options.app),
        "mounts": {where: proxy and kind(proxy=proxy, **shared) for where, proxy in mounts},
        "proxy": options.proxy,
        "transport": options.transport,
    }


def keep_headers(response: HttpResponse) -> None:
    """Store a response's headers, and hide a redirect from the library, which fails on a bad one.

    Flows decide whether a redirect is followed.
    """
    headers = response.headers.raw
    if response.is_stream_consumed and _CODING in response.headers:
        # The user's transport returned it whole, and the library has decoded it.
        headers = [one for one in headers if one[0].lower() not in _ENCODED]
    response.extensions[_HEADERS] = headers
    if response.has_redirect_location:
        del response.headers["location"]


async def keep_headers_async(response: HttpResponse) -> None:
    """Store a response's headers, and hide a redirect from the library."""
    keep_headers(response)


def raw_headers(response: HttpResponse) -> list[tuple[bytes, bytes]]:
    """Return the headers of a library's response as they were received."""
    kept: list[tuple[bytes, bytes]] = response.extensions[_HEADERS]
    return kept


def chunks(response: HttpResponse) -> Iterator[bytes]:
    """Iterate over a response's body, not decoded."""
    return response.iter_bytes() if response.is_stream_consumed else response.iter_raw()


def chunks_async(response: HttpResponse) -> AsyncIterator[bytes]:
    """Iterate over a response's body, not decoded; close nothing at its end, as aiter_raw would."""
    if response.is_stream_consumed:
        return response.aiter_bytes()
    return cast("AsyncIterable[bytes]", response.stream).__aiter__()


def headers(request: Request, config: ClientConfig) -> dict[str, str]:
    """Return the headers of a request to the API, including the key."""
    said = {"accept": "application/json", "accept-encoding": "gzip, deflate"}
    return {**config.default_headers, **request.headers, **said, **config.key.header()}


def request_options(
    request: Request, config: ClientConfig, timeout: HttpTimeout, trace: Any
) -> dict[str, Any]:
    """Return what the library sends with a request to the API, and its limits.

    A GET isn't traced, since it may be sent twice.
    """
    return {
        "headers": headers(request, config),
        "timeout": timeout,
        "extensions": {} if request.content is None or trace is None else {"trace": trace},
    }


def download_kwargs(
    library: ModuleType, fetch: StreamDownload, config: ClientConfig
) -> dict[str, Any]:
    """Return the library's arguments for a download, without the key."""
    return {
        "method": "GET",
        "url": fetch.url,
        "headers": dict(fetch.headers),
        "timeout": timeouts(library, min(config.timeout, fetch.timeout), config),
    }


def response_head(
    status: int, headers: Iterable[tuple[bytes, bytes]], key: ApiKey | None = None
) -> Response:
    """Return a response without its body and the key. Of a repeated header, the last one counts.

    Repeated content codings are joined, since all were applied, in their order. A header is decoded
    as UTF-8, which URLs use, or else as Latin-1 (RFC 9110).
    """
    found: dict[str, str] = {}
    for name, value in headers if key is None else key.redact_headers(headers):
        try:  # here, since a function would be called for each header
            plain, text = name.decode().lower(), value.decode()
        except UnicodeDecodeError:
            plain, text = _text(name).lower(), _text(value)
        joined = plain == _CODING and plain in found
        found[plain] = f"{found[plain]}, {text}" if joined else text
    return Response(status, found, b"")


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


async def copy_to_sink(head: Response, chunks: AsyncIterable[bytes], fetch: StreamDownload) -> None:
    """Write a response to the sink of a download, and call `on_chunk` after each chunk."""
    if not fetch.sink.start(head):
        return
    async for chunk in chunks:
        if fetch.sink.blocks(len(chunk)):
            await run_in_thread(partial(fetch.sink.write, chunk))
        else:
            fetch.sink.write(chunk)
        pending = None if fetch.on_chunk is None else fetch.on_chunk()
        if inspect.isawaitable(pending):
            await pending


def response_builder(response: HttpResponse, seconds: float, key: ApiKey) -> ResponseBuilder:
    """Return a builder for a response of the library."""
    return ResponseBuilder(response.status_code, raw_headers(response), seconds, key)


class ResponseBuilder:
    """Collects a response, without the key, of at most 16 MiB and within `seconds`.

    The library limits only the time of each read: single bytes could keep it reading forever.
    """

    def __init__(
        self, status: int, headers: Iterable[tuple[bytes, bytes]], seconds: float, key: ApiKey
    ) -> None:
        self._head = response_head(status, headers, key)
        self._key = key
        self._chunks: list[bytes] = []
        self._size = 0
        self._deadline = time.monotonic() + seconds

    def add(self, chunk: bytes) -> None:
        """Add the next bytes.

        Raises:
            TransportError: there are too many, or they came too slowly.
        """
        self._size += len(chunk)
        if self._size > _MAX_BODY:
            raise TransportError(f"the response is larger than {_MAX_BODY} bytes", maybe_sent=True)
        if time.monotonic() > self._deadline:
            raise TransportError("the response came too slowly", maybe_sent=True)
        self._chunks.append(chunk)

    def whole(self) -> Response:
        """Return the complete response.

        Raises:
            TransportError: its body can't be decoded.
        """
        try:
            return self._with(decode_body(self._content, self._coding, _MAX_BODY))
        except ValueError as error:
            summary = "the response can't be decoded"
            reason = f"{summary}: {error}"
        raise TransportError(reason, maybe_sent=True, summary=summary)

    def partial(self) -> Response:
        """Return the received part of a response that broke off."""
        return self._with(decode_prefix(self._content, self._coding))

    @property
    def _content(self) -> bytes:
        return b"".join(self._chunks)

    @property
    def _coding(self) -> str:
        return self._head.headers.get(_CODING, "")

    def _with(self, content: bytes) -> Response:
        return Response(self._head.status, self._head.headers, self._key.redact(content))
