"""The connections of httpx2 or httpx: their writes are observed, and sync ones obey a deadline.

The library limits only the time of each read: a server that sends one byte of a header every few
seconds never exceeds it. So each read and write of a sync client also obeys the deadline of its
thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow._fork_safety import detach_socket, renew_in_children
from wanflow._transport.deadline import remaining
from wanflow._transport.send_observer import before_write

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable
    from types import ModuleType

    from wanflow._http_library import HttpClient


def watch_writes(client: HttpClient, library: ModuleType) -> bool:
    """Install observed streams in a client of a library → whether all its writes are observed.

    The library has no argument for a network backend, so its attribute is set. A transport of
    another type, or of a version that stores it elsewhere, is left unchanged.
    """
    attributes = vars(client)
    transports = [attributes.get("_transport"), *attributes.get("_mounts", {}).values()]
    watched = [_watched(one, library) for one in transports if one is not None]
    return all(watched)


def _watched(transport: object, library: ModuleType) -> bool:
    pool: Any = getattr(transport, "_pool", None)
    inner: Any = getattr(pool, "_network_backend", None)
    if isinstance(inner, WatchedNetworkBackend | AsyncWatchedNetworkBackend):
        return True
    if not hasattr(inner, "connect_tcp"):
        return False
    if hasattr(pool, "aclose"):
        pool._network_backend = AsyncWatchedNetworkBackend(inner)  # noqa: SLF001
    else:
        pool._network_backend = WatchedNetworkBackend(inner, library)  # noqa: SLF001
    return True


class WatchedNetworkBackend:
    """Opens connections whose writes are observed, and which obey the thread's deadline.

    Past it they raise the exceptions of `library`.
    """

    def __init__(self, inner: Any, library: ModuleType) -> None:
        self._inner = inner
        self._library = library

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> _Stream:
        """Connect to a host."""
        timeout = remaining(timeout, self._library.ConnectTimeout)
        inner = self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        return _Stream(inner, self._library)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> _Stream:
        """Connect to a Unix socket."""
        timeout = remaining(timeout, self._library.ConnectTimeout)
        inner = self._inner.connect_unix_socket(path, timeout, socket_options)
        return _Stream(inner, self._library)

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        self._inner.sleep(seconds)


class _WatchedStream:
    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._used = False
        renew_in_children(self)

    def renew(self) -> None:
        detach_socket(self.get_extra_info("socket"))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def _has_ended(self) -> bool:
        # Data on a new connection belongs to its TLS handshake.
        return self._used and bool(self.get_extra_info("is_readable"))


class _Stream(_WatchedStream):
    def __init__(self, inner: Any, library: ModuleType) -> None:
        super().__init__(inner)
        self._library = library

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._used = True
        data: bytes = self._inner.read(max_bytes, remaining(timeout, self._library.ReadTimeout))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        timeout = remaining(timeout, self._library.WriteTimeout)
        before_write(self._has_ended)
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> _Stream:
        timeout = remaining(timeout, self._library.ConnectTimeout)
        inner = self._inner.start_tls(ssl_context, server_hostname, timeout)
        return _Stream(inner, self._library)


class AsyncWatchedNetworkBackend:
    """Opens connections whose writes are observed."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> _AsyncStream:
        """Connect to a host."""
        return _AsyncStream(
            await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        )

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> _AsyncStream:
        """Connect to a Unix socket."""
        return _AsyncStream(await self._inner.connect_unix_socket(path, timeout, socket_options))

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await self._inner.sleep(seconds)


class _AsyncStream(_WatchedStream):
    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._used = True
        data: bytes = await self._inner.read(max_bytes, timeout)
        return data

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
    ) -> _AsyncStream:
        return _AsyncStream(await self._inner.start_tls(ssl_context, server_hostname, timeout))
