"""The HTTP backends of a client, and the choice of one.

httpx2, or httpx, always works. Under asyncio, aiohttp is used if it is installed and neither a
custom transport nor a proxy is configured.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio

from wanflow._event_loop import asyncio_loop, run_shielded
from wanflow._http_library import http_library
from wanflow._transport import common
from wanflow._transport.deadline import deadline
from wanflow._transport.network_backend import watch_writes
from wanflow._transport.send_observer import SendObserver

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from wanflow._config import ClientConfig, TransportOptions
    from wanflow._core.effects import Request, Response, StreamDownload
    from wanflow._http_library import HttpResponse
    from wanflow._transport.aiohttp_backend import AiohttpBackend

    # Sends requests in one event loop, and raises the exceptions of its HTTP library.
    AsyncBackend: TypeAlias = "AsyncHttpxBackend | AiohttpBackend"


class SyncHttpxBackend:
    """Sends the requests of a sync client over httpx2 or httpx."""

    def __init__(self, options: TransportOptions) -> None:
        self._library = library = http_library(options.transport)
        self._http = library.Client(
            **common.client_kwargs(options, library, library.HTTPTransport, common.keep_headers)
        )
        self._watched = watch_writes(self._http, library)

    def observe(self, request: Request) -> SendObserver | None:
        """Return an observer that records whether the request is sent, where that matters."""
        return _observe(request, watched=self._watched)

    def send(
        self, request: Request, config: ClientConfig, seconds: float, sending: SendObserver | None
    ) -> Response:
        """Send a request and read the whole response, within some seconds."""
        trace = None if sending is None else sending.trace
        timeout = common.timeouts(self._library, seconds, config)
        options = common.request_options(request, config, timeout, trace)
        # Resolving the path against the base URL would drop the base URL's own path.
        url = config.base_url + request.path
        with (
            deadline(seconds),
            self._http.stream(request.method, url, content=request.content, **options) as response,
        ):
            received = common.response_builder(response, seconds, config.key)
            if sending is not None:
                sending.on_response(received.partial)
            for chunk in common.chunks(response):
                received.add(chunk)
            return received.whole()

    def stream_to(self, fetch: StreamDownload, config: ClientConfig) -> None:
        """Stream a link into its sink, within the download's own time."""
        arguments = common.download_kwargs(self._library, fetch, config)
        with deadline(fetch.timeout), self._http.stream(**arguments) as response:
            if fetch.sink.start(
                common.response_head(response.status_code, common.raw_headers(response))
            ):
                for chunk in common.chunks(response):
                    fetch.sink.write(chunk)
                    if fetch.on_chunk is not None:
                        fetch.on_chunk()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class AsyncHttpxBackend:
    """Sends requests over httpx2 or httpx."""

    def __init__(self, options: TransportOptions) -> None:
        self._library = library = http_library(options.transport)
        self._http = library.AsyncClient(
            **common.client_kwargs(
                options, library, library.AsyncHTTPTransport, common.keep_headers_async
            )
        )
        self._watched = watch_writes(self._http, library)

    def observe(self, request: Request) -> SendObserver | None:
        """Return an observer that records whether the request is sent, where that matters."""
        return _observe(request, watched=self._watched)

    async def send(
        self, request: Request, config: ClientConfig, seconds: float, sending: SendObserver | None
    ) -> Response:
        """Send a request and read the whole response, within some seconds."""
        trace = None if sending is None else sending.trace_async
        timeout = common.timeouts(self._library, seconds, config)
        options = common.request_options(request, config, timeout, trace)
        url = config.base_url + request.path
        with anyio.fail_after(seconds):
            async with self._response(
                request.method, url, content=request.content, **options
            ) as response:
                received = common.response_builder(response, seconds, config.key)
                if sending is not None:
                    sending.on_response(received.partial)
                async for chunk in common.chunks_async(response):
                    received.add(chunk)
                return received.whole()

    async def stream_to(self, fetch: StreamDownload, config: ClientConfig) -> None:
        """Stream a link into its sink."""
        with anyio.fail_after(fetch.timeout):
            arguments = common.download_kwargs(self._library, fetch, config)
            async with self._response(**arguments) as response:
                head = common.response_head(response.status_code, common.raw_headers(response))
                await common.copy_to_sink(head, common.chunks_async(response), fetch)

    @asynccontextmanager
    async def _response(
        self, method: str, url: str, **options: Any
    ) -> AsyncGenerator[HttpResponse]:
        """Send a request, and close its response at the end even if that is cancelled.

        httpcore closes it in a shield of anyio, which a cancellation by asyncio passes: the
        connection would stay occupied until the client is closed.
        """
        request = self._http.build_request(method, url, **options)
        response = await self._http.send(request, stream=True)
        try:
            yield response
        finally:
            await run_shielded(response.aclose)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def detach(self) -> None:
        """Drop the connections of an event loop that is closed."""


def _observe(request: Request, *, watched: bool) -> SendObserver | None:
    if request.tracker is None:
        return None
    # A GET isn't traced, and may be sent twice: everything written counts as part of it.
    return SendObserver(request.tracker, watched=watched, begun=request.content is None)


def choose_backend(options: TransportOptions) -> AsyncBackend:
    """Make the backend for transport options, in the running event loop."""
    plain = options.transport is None and options.proxy is None and not options.mounts
    if plain and asyncio_loop() is not None:
        try:
            faster: Any = import_module("wanflow._transport.aiohttp_backend")
        except ImportError:
            pass
        else:
            backend: AsyncBackend = faster.AiohttpBackend(options)
            return backend
    return AsyncHttpxBackend(options)
