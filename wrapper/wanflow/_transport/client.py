"""Sends requests to the API and downloads files: one attempt each, or a TransportError."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from anyio.lowlevel import checkpoint
from attrs import evolve

from wanflow._transport.errors import ErrorMapper
from wanflow._transport.pool import AsyncConnectionPool, ConnectionPool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wanflow._config import ClientConfig, TransportOptions
    from wanflow._core.effects import Request, Response, RunBlocking, StreamDownload


class SyncTransport:
    """The transport of a sync client. Downloads have their own pool, so that no long download
    delays a poll, and no host of files gets a connection that carried the key.
    """

    def __init__(self, api: TransportOptions, files: TransportOptions) -> None:
        self._api = ConnectionPool(api)
        self._files = ConnectionPool(files)
        self._direct = ConnectionPool(files.without_proxy())
        self._excepts = files.bypasses_proxy

    def send(self, request: Request, config: ClientConfig) -> Response:
        """Send a request and read the response; `before` is called once it has a connection.

        Raises:
            TransportError: no complete response came.
        """
        begun = time.monotonic()
        with self._api.acquire(_seconds(request, config)) as backend:
            if request.before is not None:
                request.before.function()
            sending, seconds = backend.observe(request), _seconds(request, config, begun)
            with ErrorMapper(config.key, sending) as mapper:
                return backend.send(request, config, seconds, sending)
            if mapper.pool_is_stuck:
                self._api.replace(backend)
        raise mapper.error

    def stream_to(self, fetch: StreamDownload, config: ClientConfig) -> None:
        """Stream a link into its sink, within the download's own time.

        The wait for a connection is included.

        Raises:
            TransportError: the download broke off.
        """
        pool = self._direct if self._excepts(fetch.url) else self._files
        begun = time.monotonic()
        with pool.acquire(fetch.timeout) as backend:
            with ErrorMapper(config.key, keyed=False) as mapper:
                return backend.stream_to(_rest_of(fetch, begun), config)
            if mapper.pool_is_stuck:
                pool.replace(backend)
        raise mapper.error

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        self._files.close()
        self._direct.close()


class AsyncTransport:
    """The transport of an async client. Downloads have their own pool, so that no long download
    delays a poll, and no host of files gets a connection that carried the key.
    """

    def __init__(self, api: TransportOptions, files: TransportOptions) -> None:
        self._api = AsyncConnectionPool(api)
        self._files = AsyncConnectionPool(files)
        self._direct = AsyncConnectionPool(files.without_proxy())
        self._excepts = files.bypasses_proxy

    async def send(
        self,
        request: Request,
        config: ClientConfig,
        run_blocking: Callable[[RunBlocking], Awaitable[object]],
    ) -> Response:
        """Send a request and read the response; `run_blocking` runs its `before` once it has a
        connection.

        Raises:
            TransportError: no complete response came.
        """
        begun = time.monotonic()
        async with self._api.acquire(_seconds(request, config)) as backend:
            if request.before is not None:
                await run_blocking(request.before)
            elif request.tracker is not None:
                # A cancellation that was requested so far arrives before the first byte. httpx2
                # may send a request without any other iteration of the loop.
                await checkpoint()
            sending, seconds = backend.observe(request), _seconds(request, config, begun)
            with ErrorMapper(config.key, sending) as mapper:
                return await backend.send(request, config, seconds, sending)
            if mapper.pool_is_stuck:
                self._api.replace(backend)
        raise mapper.error

    async def stream_to(self, fetch: StreamDownload, config: ClientConfig) -> None:
        """Stream a link into its sink, within the download's own time.

        The wait for a connection is included.

        Raises:
            TransportError: the download broke off.
        """
        pool = self._direct if self._excepts(fetch.url) else self._files
        begun = time.monotonic()
        async with pool.acquire(fetch.timeout) as backend:
            with ErrorMapper(config.key, keyed=False) as mapper:
                return await backend.stream_to(_rest_of(fetch, begun), config)
            if mapper.pool_is_stuck:
                pool.replace(backend)
        raise mapper.error

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()
        await self._files.close()
        await self._direct.close()


def _rest_of(fetch: StreamDownload, begun: float) -> StreamDownload:
    """Return a download with the time that is left of its own; it includes the wait so far."""
    return evolve(fetch, timeout=max(0.0, fetch.timeout - (time.monotonic() - begun)))


def _seconds(request: Request, config: ClientConfig, begun: float | None = None) -> float:
    """Return the seconds that a request may take, less those since `begun` where it is given.

    The client's own timeout doesn't include the wait for a connection; the request's does.
    """
    if request.timeout is None:
        return config.timeout
    spent = 0.0 if begun is None else time.monotonic() - begun
    return max(0.0, min(config.timeout, request.timeout - spent))
