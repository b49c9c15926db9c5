"""Exchanges with the API and with the hosts of files: one try each, and a Fault when it fails."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from wanflow._transport.errors import Guard
from wanflow._transport.pool import AsyncConnectionPool, ConnectionPool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wanflow._config import ClientConfig, TransportOptions
    from wanflow._core.effects import Response, SendRequest, StreamDownload


class SyncTransport:
    """The exchanges of a sync client. Files have a lane of their own, so that no long download
    keeps a look at a task waiting, and no file's host sees a connection that carried the key.
    """

    def __init__(self, api: TransportOptions, files: TransportOptions) -> None:
        self._api = ConnectionPool(api)
        self._files = ConnectionPool(files)
        self._direct = ConnectionPool(files.direct())
        self._excepts = files.excepts

    def send(
        self, send: SendRequest, settings: ClientConfig, prepare: Callable[[], object] | None = None
    ) -> Response:
        """Exchange a request for its response; `prepare` is called once it has a slot.

        Raises:
            Fault: no whole response came.
        """
        begun = time.monotonic()
        with self._api.acquire(_seconds(send, settings)) as road:
            if prepare is not None:
                prepare()
            sending, seconds = road.sending(send), _seconds(send, settings, begun)
            with Guard(settings.key, sending) as guard:
                return road.send(send.request, settings, seconds, sending)
            if guard.pool_is_dead:
                self._api.replace(road)
        raise guard.fault

    def stream_to(self, fetch: StreamDownload, settings: ClientConfig) -> None:
        """Stream a link into its sink, all of it within the fetch's own time.

        Raises:
            Fault: it broke off.
        """
        lane = self._direct if self._excepts(fetch.url) else self._files
        with lane.acquire(settings.timeout) as road:
            with Guard(settings.key, keyed=False) as guard:
                return road.fetch(fetch, settings)
            if guard.pool_is_dead:
                lane.replace(road)
        raise guard.fault

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        self._files.close()
        self._direct.close()


class AsyncTransport:
    """The exchanges of an async client. Files have a lane of their own, so that no long download
    keeps a look at a task waiting, and no file's host sees a connection that carried the key.
    """

    def __init__(self, api: TransportOptions, files: TransportOptions) -> None:
        self._api = AsyncConnectionPool(api)
        self._files = AsyncConnectionPool(files)
        self._direct = AsyncConnectionPool(files.direct())
        self._excepts = files.excepts

    async def send(
        self,
        send: SendRequest,
        settings: ClientConfig,
        prepare: Callable[[], Awaitable[object]] | None = None,
    ) -> Response:
        """Exchange a request for its response; `prepare` is awaited once it has a slot.

        Raises:
            Fault: no whole response came.
        """
        begun = time.monotonic()
        async with self._api.acquire(_seconds(send, settings)) as road:
            if prepare is not None:
                await prepare()
            sending, seconds = road.sending(send), _seconds(send, settings, begun)
            with Guard(settings.key, sending) as guard:
                return await road.send(send.request, settings, seconds, sending)
            if guard.pool_is_dead:
                self._api.replace(road)
        raise guard.fault

    async def stream_to(self, fetch: StreamDownload, settings: ClientConfig) -> None:
        """Stream a link into its sink, all of it within the fetch's own time.

        Raises:
            Fault: it broke off.
        """
        lane = self._direct if self._excepts(fetch.url) else self._files
        async with lane.acquire(settings.timeout) as road:
            with Guard(settings.key, keyed=False) as guard:
                return await road.stream_to(fetch, settings)
            if guard.pool_is_dead:
                lane.replace(road)
        raise guard.fault

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()
        await self._files.close()
        await self._direct.close()


def _seconds(send: SendRequest, settings: ClientConfig, begun: float | None = None) -> float:
    """Return what an exchange may take, or the rest of it where it was `begun` before.

    What the client grants is for the exchange alone, and a wait for a slot isn't part of it.
    """
    if send.timeout is None:
        return settings.timeout
    spent = 0.0 if begun is None else time.monotonic() - begun
    return max(0.0, min(settings.timeout, send.timeout - spent))
