"""Exchanges over aiohttp: a fraction of httpx's CPU where many are under way at once.

This module is imported where aiohttp is installed, by an async client that runs under asyncio.
"""

from __future__ import annotations

import inspect
import math
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import httpx
from yarl import URL

from wanflow._transport import common
from wanflow._transport.aiohttp_connector import WatchedConnector
from wanflow._transport.send_tracker import Sending

if TYPE_CHECKING:
    from wanflow._config import ClientConfig, TransportOptions
    from wanflow._core.effects import Request, Response, SendRequest, StreamDownload

# A URL that httpx writes as it is.
_NORMAL = re.compile(
    r"https?://[a-z0-9.-]+(?::(?!(?:80|443)(?![0-9]))[1-9][0-9]*)?(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*"
    r"(?:\?[A-Za-z0-9._~=&-]+)?"
)
# httpx takes no longer ones than some tens of thousands of characters.
_LONG = 8000
# As much of a header as httpx takes in all.
_LARGEST_HEADER = 64 * 1024
# Versions that count headers stop at 128 by default.
_COUNTED = "max_headers" in inspect.signature(aiohttp.ClientSession).parameters
_MANY_HEADERS: dict[str, Any] = {"max_headers": 4096} if _COUNTED else {}


class AiohttpBackend:
    """Exchanges over one aiohttp session, which belongs to the event loop that it was made in."""

    def __init__(self, line: TransportOptions) -> None:
        context = httpx.create_ssl_context(verify=line.verify, trust_env=False)
        context.set_alpn_protocols(["http/1.1"])
        connector = WatchedConnector(
            # The lane counts what is under way, so that nothing here can run out.
            limit=0,
            keepalive_timeout=common.KEEPALIVE,
            ssl=context,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=common.HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=_LARGEST_HEADER,
            max_field_size=_LARGEST_HEADER,
            **_MANY_HEADERS,
        )
        # It would repeat a GET by itself where a connection ended, and flows decide that. There
        # is no argument for it; aiohttp's own test client turns it off in this way.
        vars(self._session)["_retry_connection"] = False

    def sending(self, send: SendRequest) -> Sending | None:
        """Begin to note whether a request is sent, where that matters."""
        return None if send.tracker is None else Sending(send.tracker, watched=True, begun=True)

    async def send(
        self, request: Request, settings: ClientConfig, seconds: float, sending: Sending | None
    ) -> Response:
        """Exchange a request for its whole response within some seconds."""
        async with self._session.request(
            request.method,
            URL(_base(settings.base_url) + request.path, encoded=True),
            data=request.content,
            headers=common.headers(request, settings),
            timeout=_timeouts(seconds, settings.timeout),
            allow_redirects=False,
        ) as response:
            received = common.Received(response.status, response.raw_headers, seconds, settings.key)
            if sending is not None:
                sending.receives(received.part)
            while chunk := await response.content.readany():
                received.add(chunk)
            return received.whole()

    async def stream_to(self, fetch: StreamDownload, settings: ClientConfig) -> None:
        """Stream a link into its sink."""
        seconds = min(settings.timeout, fetch.timeout)
        with anyio.fail_after(fetch.timeout):
            async with self._session.get(
                URL(_normalized_url(fetch.url), encoded=True),
                headers=fetch.headers,
                timeout=aiohttp.ClientTimeout(connect=seconds / 3, sock_read=seconds),
                allow_redirects=False,
            ) as response:
                head = common.response_head(response.status, response.raw_headers)
                await common.copy_to_sink(head, response.content.iter_any(), fetch)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    def detach(self) -> None:
        """Forget the connections of an event loop that has ended."""
        connector = self._session.connector
        self._session.detach()
        if connector is not None:
            # In a loop that has ended there is nothing to wait for.
            list(connector.close().__await__())


@lru_cache(maxsize=16)
def _timeouts(seconds: float, granted: float) -> aiohttp.ClientTimeout:
    connect = min(seconds, granted / 3)
    return aiohttp.ClientTimeout(total=seconds, connect=connect, ceil_threshold=math.inf)


@cache
def _base(url: str) -> str:
    return _normalized_url(url).rstrip("/")


def _normalized_url(url: str) -> str:
    """Write a URL as httpx would, and so that aiohttp leaves it so: links may be signed."""
    # That takes it longer than all else that is done with a small file, and most are so already.
    return url if len(url) < _LONG and _NORMAL.fullmatch(url) else str(httpx.URL(url))
