"""What every road of an exchange shares: arguments, answers and bounds."""

from __future__ import annotations

import inspect
import time
from functools import partial
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any

import httpx

from wanflow._core.content_coding import decode_body, decode_prefix
from wanflow._core.effects import Response, TransportError
from wanflow._event_loop import run_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator

    from wanflow._config import ApiKey, ClientConfig, TransportOptions
    from wanflow._core.effects import Request, StreamDownload

# An answer of this API has some kilobytes.
_MAX_BODY = 16 * 1024 * 1024
# Tasks are looked at every few seconds, and httpx's own 5 s would open a connection for each look.
KEEPALIVE = 90.0
"""Seconds that an idle connection is kept."""
HEADERS = {"user-agent": "wanflow"}
"""What goes with every request to any host."""
_HEADERS = "wanflow_headers"
_CODING = "content-encoding"
_ENCODED = frozenset({_CODING.encode(), b"content-length"})
# A pool that is never handed more requests than it has connections has one at once, or is dead.
_POOL_PATIENCE = 5.0


class _NoCookies(CookieJar):
    """Takes no cookie, and so has none to send."""

    def extract_cookies(self, response: object, request: object) -> None:
        """Take none."""


def timeouts(seconds: float, settings: ClientConfig) -> httpx.Timeout:
    """Return httpx's timeouts for an exchange that may take some seconds in all.

    Connecting is given a third of what the client grants an exchange, so that a host that can't
    be reached is known as such before the whole exchange is called too slow.
    """
    third = settings.timeout / 3
    return httpx.Timeout(
        seconds, connect=min(seconds, third), pool=min(_POOL_PATIENCE, seconds / 3)
    )


def httpx_client_kwargs(
    line: TransportOptions, kind: type[Any], take_head: Callable[..., Any]
) -> dict[str, Any]:
    """Return the arguments for an httpx client: no key in its headers, no redirect, no cookie.

    Nothing is read from the environment any more; `kind` makes the transports to its proxies, and
    `take_head` is called with each response before httpx reads its headers.
    """
    limits = httpx.Limits(
        max_connections=line.max_connections,
        max_keepalive_connections=line.max_connections,
        keepalive_expiry=KEEPALIVE,
    )
    shared = {"limits": limits, "verify": line.verify, "trust_env": False}
    mounts = line.mounts.items()
    return {
        **shared,
        "cookies": _NoCookies(),
        "event_hooks": {"response": [take_head]},
        "follow_redirects": False,
        "headers": HEADERS,
        "mounts": {where: proxy and kind(proxy=proxy, **shared) for where, proxy in mounts},
        "proxy": line.proxy,
        "transport": line.transport,
    }


def take_head(response: httpx.Response) -> None:
    """Keep a response's headers from httpx, which fails where a redirect can't be followed.

    Whether it is followed is for flows to decide, and what comes with it is a response like any.
    """
    headers = response.headers.raw
    if response.is_stream_consumed and _CODING in response.headers:
        # A transport of the user's handed it over whole, and httpx has decoded it.
        headers = [one for one in headers if one[0].lower() not in _ENCODED]
    response.extensions[_HEADERS] = headers
    if response.has_redirect_location:
        del response.headers["location"]


async def atake_head(response: httpx.Response) -> None:
    """Keep a response's headers from httpx."""
    take_head(response)


def raw_headers(response: httpx.Response) -> list[tuple[bytes, bytes]]:
    """Return the headers that came with a response of httpx's."""
    kept: list[tuple[bytes, bytes]] = response.extensions[_HEADERS]
    return kept


def chunks(response: httpx.Response) -> Iterator[bytes]:
    """Return a response's body, not decoded, piece by piece."""
    return response.iter_bytes() if response.is_stream_consumed else response.iter_raw()


def achunks(response: httpx.Response) -> AsyncIterator[bytes]:
    """Return a response's body, not decoded, piece by piece."""
    return response.aiter_bytes() if response.is_stream_consumed else response.aiter_raw()


def headers(request: Request, settings: ClientConfig) -> dict[str, str]:
    """Return the headers of a request to the API, that with the key included."""
    said = {"accept": "application/json", "accept-encoding": "gzip, deflate"}
    return {**request.headers, **said, **settings.key.header()}


def request_kwargs(
    request: Request, settings: ClientConfig, seconds: float, trace: Any
) -> dict[str, Any]:
    """Return the arguments that send a request to the API.

    The path is appended: resolving it against the base URL would drop the base URL's own path.
    What only asks isn't traced, since it may be sent twice.
    """
    return {
        "method": request.method,
        "url": settings.base_url + request.path,
        "content": request.content,
        "headers": headers(request, settings),
        "timeout": timeouts(seconds, settings),
        "extensions": {} if request.content is None or trace is None else {"trace": trace},
    }


def download_kwargs(fetch: StreamDownload, settings: ClientConfig) -> dict[str, Any]:
    """Return the arguments that stream a link, without the key."""
    return {
        "method": "GET",
        "url": fetch.url,
        "headers": dict(fetch.headers),
        "timeout": timeouts(min(settings.timeout, fetch.timeout), settings),
    }


def response_head(
    status: int, headers: Iterable[tuple[bytes, bytes]], redact: Callable[[bytes], bytes] = bytes
) -> Response:
    """Return a response's head, without a body. Where a header came twice, the last one counts.

    Codings were all applied, in the order in which their headers came.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        plain, text = _text(name).lower(), _text(redact(value))
        joined = plain == _CODING and plain in found
        found[plain] = f"{found[plain]}, {text}" if joined else text
    return Response(status, found, b"")


def _text(raw: bytes) -> str:
    """Decode a header: as UTF-8, in which addresses are written, or as RFC 9110 has it."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


async def copy_to_sink(head: Response, chunks: AsyncIterable[bytes], fetch: StreamDownload) -> None:
    """Hand an answer to the sink of a fetch, chunk by chunk, and tell of each."""
    if not fetch.sink.start(head):
        return
    async for chunk in chunks:
        if fetch.sink.blocks(len(chunk)):
            await run_in_thread(partial(fetch.sink.write, chunk))
        else:
            fetch.sink.write(chunk)
        told = None if fetch.on_chunk is None else fetch.on_chunk()
        if inspect.isawaitable(told):
            await told


def received(response: httpx.Response, seconds: float, key: ApiKey) -> Received:
    """Begin to receive a response of httpx's."""
    return Received(response.status_code, raw_headers(response), seconds, key)


class Received:
    """An answer as far as it came, the key blotted out. It may take `seconds` in all, and 16 MiB.

    httpx bounds the time of each read only, so a server that drips bytes could hold it for ever.
    """

    def __init__(
        self, status: int, headers: Iterable[tuple[bytes, bytes]], seconds: float, key: ApiKey
    ) -> None:
        self._head = response_head(status, headers, key.redact)
        self._key = key
        self._chunks: list[bytes] = []
        self._size = 0
        self._deadline = time.monotonic() + seconds

    def add(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            Fault: there are too many, or they came too slowly.
        """
        self._size += len(chunk)
        if self._size > _MAX_BODY:
            raise TransportError(f"the answer is larger than {_MAX_BODY} bytes", maybe_sent=True)
        if time.monotonic() > self._deadline:
            raise TransportError("the answer came too slowly", maybe_sent=True)
        self._chunks.append(chunk)

    def whole(self) -> Response:
        """Return the whole answer.

        Raises:
            Fault: its body can't be decoded.
        """
        try:
            return self._with(decode_body(self._content, self._coding, _MAX_BODY))
        except ValueError as error:
            reason = f"the answer can't be decoded: {error}"
        raise TransportError(reason, maybe_sent=True)

    def part(self) -> Response:
        """Return what came of an answer that broke off."""
        return self._with(decode_prefix(self._content, self._coding))

    @property
    def _content(self) -> bytes:
        return b"".join(self._chunks)

    @property
    def _coding(self) -> str:
        return self._head.headers.get(_CODING, "")

    def _with(self, content: bytes) -> Response:
        return Response(self._head.status, self._head.headers, self._key.redact(content))
