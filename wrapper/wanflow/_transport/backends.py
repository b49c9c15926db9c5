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
from wanflow._transport.deadline import within
from wanflow._transport.network_backend import watch
from wanflow._transport.send_tracker import Sending

if TYPE_CHECKING:
    from wanflow._config import Route, Settings
    from wanflow._core.effects import Fetch, Reply, Request, Send


class SyncRoad:
    """Exchanges of a sync client, over httpx."""

    def __init__(self, line: Route) -> None:
        self._http = httpx.Client(**common.options(line, httpx.HTTPTransport, common.take_head))
        self._watched = watch(self._http)

    def sending(self, send: Send) -> Sending | None:
        """Begin to note whether a request is sent, where that matters."""
        return _sending(send, watched=self._watched)

    def send(
        self, request: Request, settings: Settings, seconds: float, sending: Sending | None
    ) -> Reply:
        """Exchange a request for its whole response within some seconds."""
        trace = None if sending is None else sending.trace
        arguments = common.request(request, settings, seconds, trace)
        with within(seconds), self._http.stream(**arguments) as response:
            received = common.received(response, seconds, settings.key)
            if sending is not None:
                sending.receives(received.part)
            for chunk in common.chunks(response):
                received.add(chunk)
            return received.whole()

    def fetch(self, fetch: Fetch, settings: Settings) -> None:
        """Stream a link into its sink within the fetch's own time."""
        arguments = common.fetching(fetch, settings)
        with within(fetch.seconds), self._http.stream(**arguments) as response:
            if fetch.sink.head(common.head(response.status_code, common.raw_headers(response))):
                for chunk in common.chunks(response):
                    fetch.sink.write(chunk)
                    if fetch.told is not None:
                        fetch.told()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class Road(Protocol):
    """Exchanges of one event loop, each within its time. What goes wrong is the library's own."""

    def sending(self, send: Send) -> Sending | None:
        """Begin to note whether a request is sent, where that matters."""
        ...

    async def send(
        self, request: Request, settings: Settings, seconds: float, sending: Sending | None
    ) -> Reply:
        """Exchange a request for its whole response within some seconds."""
        ...

    async def fetch(self, fetch: Fetch, settings: Settings) -> None:
        """Stream a link into its sink, not decoded."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...

    def abandon(self) -> None:
        """Forget the connections of an event loop that has ended."""
        ...


class HttpxRoad:
    """Exchanges over httpx."""

    def __init__(self, line: Route) -> None:
        self._http = httpx.AsyncClient(
            **common.options(line, httpx.AsyncHTTPTransport, common.atake_head)
        )
        self._watched = watch(self._http)

    def sending(self, send: Send) -> Sending | None:
        """Begin to note whether a request is sent, where that matters."""
        return _sending(send, watched=self._watched)

    async def send(
        self, request: Request, settings: Settings, seconds: float, sending: Sending | None
    ) -> Reply:
        """Exchange a request for its whole response within some seconds."""
        trace = None if sending is None else sending.atrace
        arguments = common.request(request, settings, seconds, trace)
        with anyio.fail_after(seconds):
            async with self._http.stream(**arguments) as response:
                received = common.received(response, seconds, settings.key)
                if sending is not None:
                    sending.receives(received.part)
                async for chunk in common.achunks(response):
                    received.add(chunk)
                return received.whole()

    async def fetch(self, fetch: Fetch, settings: Settings) -> None:
        """Stream a link into its sink."""
        with anyio.fail_after(fetch.seconds):
            async with self._http.stream(**common.fetching(fetch, settings)) as response:
                head = common.head(response.status_code, common.raw_headers(response))
                await common.pour(head, common.achunks(response), fetch)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def abandon(self) -> None:
        """Forget the connections of an event loop that has ended."""


def _sending(send: Send, *, watched: bool) -> Sending | None:
    # What only asks isn't traced, and may be sent twice: all that is written counts as its own.
    begun = send.request.content is None
    return None if send.tracker is None else Sending(send.tracker, watched=watched, begun=begun)


def road_of(line: Route) -> Road:
    """Make the road for a line, in the event loop that calls."""
    plain = line.transport is None and line.proxy is None and not line.mounts
    if plain and asyncio_loop() is not None:
        try:
            faster: Any = import_module("wanflow._transport.aiohttp_backend")
        except ImportError:
            pass
        else:
            road: Road = faster.AiohttpRoad(line)
            return road
    return HttpxRoad(line)
