"""The roads of a client's exchanges, and which one is taken.

httpx's goes everywhere. Under asyncio aiohttp's is taken where it is installed, and where nothing
is asked for that only httpx does: a transport of the user's own, or a proxy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import httpx

from wanflow._event_loop import asyncio_loop
from wanflow._transport import common
from wanflow._transport.deadline import deadline
from wanflow._transport.network_backend import watch
from wanflow._transport.send_tracker import Sending

if TYPE_CHECKING:
    from wanflow._config import ClientConfig, TransportOptions
    from wanflow._core.effects import Request, Response, SendRequest, StreamDownload


class SyncRoad:
    """Exchanges of a sync client, over httpx."""

    def __init__(self, line: TransportOptions) -> None:
        self._http = httpx.Client(
            **common.httpx_client_kwargs(line, httpx.HTTPTransport, common.take_head)
        )
        self._watched = watch(self._http)

    def sending(self, send: SendRequest) -> Sending | None:
        """Begin to note whether a request is sent, where that matters."""
        return _sending(send, watched=self._watched)

    def send(
        self, request: Request, settings: ClientConfig, seconds: float, sending: Sending | None
    ) -> Response:
        """Exchange a request for its whole response within some seconds."""
        trace = None if sending is None else sending.trace
        arguments = common.request_kwargs(request, settings, seconds, trace)
        with deadline(seconds), self._http.stream(**arguments) as response:
            received = common.received(response, seconds, settings.key)
            if sending is not None:
                sending.receives(received.part)
            for chunk in common.chunks(response):
                received.add(chunk)
            return received.whole()

    def fetch(self, fetch: StreamDownload, settings: ClientConfig) -> None:
        """Stream a link into its sink within the fetch's own time."""
        arguments = common.download_kwargs(fetch, settings)
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


class AsyncBackend(Protocol):
    """Exchanges of one event loop, each within its time. What goes wrong is the library's own."""

    def sending(self, send: SendRequest) -> Sending | None:
        """Begin to note whether a request is sent, where that matters."""
        ...

    async def send(
        self, request: Request, settings: ClientConfig, seconds: float, sending: Sending | None
    ) -> Response:
        """Exchange a request for its whole response within some seconds."""
        ...

    async def stream_to(self, fetch: StreamDownload, settings: ClientConfig) -> None:
        """Stream a link into its sink, not decoded."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...

    def detach(self) -> None:
        """Forget the connections of an event loop that has ended."""
        ...


class HttpxBackend:
    """Exchanges over httpx."""

    def __init__(self, line: TransportOptions) -> None:
        self._http = httpx.AsyncClient(
            **common.httpx_client_kwargs(line, httpx.AsyncHTTPTransport, common.atake_head)
        )
        self._watched = watch(self._http)

    def sending(self, send: SendRequest) -> Sending | None:
        """Begin to note whether a request is sent, where that matters."""
        return _sending(send, watched=self._watched)

    async def send(
        self, request: Request, settings: ClientConfig, seconds: float, sending: Sending | None
    ) -> Response:
        """Exchange a request for its whole response within some seconds."""
        trace = None if sending is None else sending.atrace
        arguments = common.request_kwargs(request, settings, seconds, trace)
        with anyio.fail_after(seconds):
            async with self._http.stream(**arguments) as response:
                received = common.received(response, seconds, settings.key)
                if sending is not None:
                    sending.receives(received.part)
                async for chunk in common.achunks(response):
                    received.add(chunk)
                return received.whole()

    async def stream_to(self, fetch: StreamDownload, settings: ClientConfig) -> None:
        """Stream a link into its sink."""
        with anyio.fail_after(fetch.timeout):
            async with self._http.stream(**common.download_kwargs(fetch, settings)) as response:
                head = common.response_head(response.status_code, common.raw_headers(response))
                await common.copy_to_sink(head, common.achunks(response), fetch)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def detach(self) -> None:
        """Forget the connections of an event loop that has ended."""


def _sending(send: SendRequest, *, watched: bool) -> Sending | None:
    # What only asks isn't traced, and may be sent twice: all that is written counts as its own.
    begun = send.request.content is None
    return None if send.tracker is None else Sending(send.tracker, watched=watched, begun=begun)


def choose_backend(line: TransportOptions) -> AsyncBackend:
    """Make the road for a line, in the event loop that calls."""
    plain = line.transport is None and line.proxy is None and not line.mounts
    if plain and asyncio_loop() is not None:
        try:
            faster: Any = import_module("wanflow._transport.aiohttp_backend")
        except ImportError:
            pass
        else:
            road: AsyncBackend = faster.AiohttpBackend(line)
            return road
    return HttpxBackend(line)
