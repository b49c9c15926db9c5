"""httpx's connections: their writes are observed, and those of sync clients obey a deadline.

httpx limits only the time of each read: a server that sends one byte of a header every few seconds
never exceeds it. So each read and write of a sync client also obeys the deadline of its thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import httpcore

from wanflow._fork_safety import detach_socket, renew_in_children
from wanflow._transport.deadline import remaining
from wanflow._transport.send_observer import before_write

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    import httpx

N = TypeVar("N", httpcore.NetworkStream, httpcore.AsyncNetworkStream)


def watch_writes(client: httpx.Client | httpx.AsyncClient) -> bool:
    """Install observed streams in an httpx client → whether all its writes are observed.

    httpx has no argument for a network backend, so its attribute is set. A transport of another
    type, or of an httpx version that stores it elsewhere, is left unchanged.
    """
    kept = vars(client)
    transports = [kept.get("_transport"), *kept.get("_mounts", {}).values()]
    watched = [_watched(transport) for transport in transports if transport is not None]
    return all(watched)


def _watched(transport: object) -> bool:
    pool: Any = getattr(transport, "_pool", None)
    backend = getattr(pool, "_network_backend", None)
    match backend:
        case WatchedNetworkBackend() | AsyncWatchedNetworkBackend():
            pass
        case httpcore.NetworkBackend():
            pool._network_backend = WatchedNetworkBackend(backend)  # noqa: SLF001
        case httpcore.AsyncNetworkBackend():
            pool._network_backend = AsyncWatchedNetworkBackend(backend)  # noqa: SLF001
        case _:
            return False
    return True


class WatchedNetworkBackend(httpcore.NetworkBackend):
    """Opens connections whose writes are observed, and which obey the thread's deadline."""

    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to a host."""
        timeout = remaining(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_tcp(host, port, timeout, local_address, socket_options))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        """Connect to a Unix socket."""
        timeout = remaining(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_unix_socket(path, timeout, socket_options))

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        self._inner.sleep(seconds)


class _WatchedStream(Generic[N]):
    def __init__(self, inner: N) -> None:
        self._inner: N = inner
        self._used = False
        renew_in_children(self)

    def renew(self) -> None:
        detach_socket(self.get_extra_info("socket"))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def _has_ended(self) -> bool:
        # Data on a new connection belongs to its TLS handshake.
        return self._used and bool(self.get_extra_info("is_readable"))


class _Stream(_WatchedStream[httpcore.NetworkStream], httpcore.NetworkStream):
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._used = True
        return self._inner.read(max_bytes, remaining(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        timeout = remaining(timeout, httpcore.WriteTimeout)
        before_write(self._has_ended)
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        timeout = remaining(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))


class AsyncWatchedNetworkBackend(httpcore.AsyncNetworkBackend):
    """Opens connections whose writes are observed."""

    def __init__(self, inner: httpcore.AsyncNetworkBackend) -> None:
        self._inner = inner

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a host."""
        return _AsyncStream(
            await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        )

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a Unix socket."""
        return _AsyncStream(await self._inner.connect_unix_socket(path, timeout, socket_options))

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await self._inner.sleep(seconds)


class _AsyncStream(_WatchedStream[httpcore.AsyncNetworkStream], httpcore.AsyncNetworkStream):
    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._used = True
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        before_write(self._has_ended)
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return _AsyncStream(await self._inner.start_tls(ssl_context, server_hostname, timeout))
