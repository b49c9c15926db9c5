"""The aiohttp backend, which takes a fraction of the others' CPU time with many requests in flight.

It is imported only under asyncio, where aiohttp is installed.
"""

from __future__ import annotations

import inspect
import math
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
from yarl import URL

from wanflow._core.header_rules import user_agent
from wanflow._http_library import http_library
from wanflow._transport import common
from wanflow._transport.aiohttp_connector import WatchedConnector
from wanflow._transport.environment import tls_context
from wanflow._transport.send_observer import SendObserver

if TYPE_CHECKING:
    from wanflow._config import ClientConfig, TransportOptions
    from wanflow._core.effects import Request, Response, StreamDownload

# A URL that httpx2 and httpx write as it is.
_NORMAL = re.compile(
    r"https?://[a-z0-9.-]+(?::(?!(?:80|443)(?![0-9]))[1-9][0-9]*)?(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*"
    r"(?:\?[A-Za-z0-9._~=&-]+)?"
)
# They reject URLs of more than some tens of thousands of characters.
_LONG = 8000
# Their limit for all headers.
_LARGEST_HEADER = 64 * 1024
# Versions that count headers stop at 128 by default.
_COUNTED = "max_headers" in inspect.signature(aiohttp.ClientSession).parameters
_MANY_HEADERS: dict[str, Any] = {"max_headers": 4096} if _COUNTED else {}


class AiohttpBackend:
    """Sends requests over one aiohttp session, which belongs to the event loop that created it."""

    def __init__(self, options: TransportOptions) -> None:
        verify = tls_context(options.verify)
        context = http_library().create_ssl_context(verify=verify, trust_env=False)
        context.set_alpn_protocols(["http/1.1"])
        connector = WatchedConnector(
            # The pool above limits the requests in flight.
            limit=0,
            keepalive_timeout=common.KEEPALIVE,
            ssl=context,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=user_agent(f"aiohttp/{aiohttp.__version__}", options.app),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=_LARGEST_HEADER,
            max_field_size=_LARGEST_HEADER,
            **_MANY_HEADERS,
        )
        # aiohttp would retry a GET itself when a connection ends, but flows decide about retries.
        # There is no argument for it; aiohttp's own test client turns it off in this way.
        vars(self._session)["_retry_connection"] = False

    def observe(self, request: Request) -> SendObserver | None:
        """Return an observer that records whether the request is sent, where that matters."""
        tracker = request.tracker
        return None if tracker is None else SendObserver(tracker, watched=True, begun=True)

    async def send(
        self, request: Request, config: ClientConfig, seconds: float, sending: SendObserver | None
    ) -> Response:
        """Send a request and read the whole response, within some seconds."""
        async with self._session.request(
            request.method,
            URL(_base(config.base_url) + request.path, encoded=True),
            data=request.content,
            headers=common.headers(request, config),
            timeout=_timeouts(seconds, config.timeout),
            allow_redirects=False,
        ) as response:
            received = common.ResponseBuilder(
                response.status, response.raw_headers, seconds, config.key
            )
            if sending is not None:
                sending.on_response(received.partial)
            while chunk := await response.content.readany():
                received.add(chunk)
            return received.whole()

    async def stream_to(self, fetch: StreamDownload, config: ClientConfig) -> None:
        """Stream a link into its sink."""
        seconds = min(config.timeout, fetch.timeout)
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
        """Drop the connections of an event loop that is closed."""
        connector = self._session.connector
        self._session.detach()
        if connector is not None:
            # In a closed loop there is nothing to wait for.
            list(connector.close().__await__())


@lru_cache(maxsize=16)
def _timeouts(seconds: float, granted: float) -> aiohttp.ClientTimeout:
    connect = min(seconds, granted / 3)
    return aiohttp.ClientTimeout(total=seconds, connect=connect, ceil_threshold=math.inf)


@cache
def _base(url: str) -> str:
    return _normalized_url(url).rstrip("/")


def _normalized_url(url: str) -> str:
    """Write a URL as httpx2 would, so that aiohttp doesn't change it: links may be signed."""
    # httpx2.URL takes longer than the rest of a small download, and most URLs are normal already.
    return url if len(url) < _LONG and _NORMAL.fullmatch(url) else str(http_library().URL(url))
