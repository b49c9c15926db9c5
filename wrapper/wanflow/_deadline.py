"""A bound on a whole exchange, for the sync client: httpx bounds each read, and nothing more.

A server that drips one byte of a header every few seconds never breaks httpx's read timeout. So
the streams of a sync client are told until when the exchange of the calling thread may take.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpcore

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator, Iterable

    import httpx


class _Exchange(threading.local):
    until: float | None = None


_exchange = _Exchange()


@contextmanager
def within(seconds: float) -> Generator[None]:
    """Bound all that bounded clients read and write in this block, in this thread."""
    before = _exchange.until
    _exchange.until = time.monotonic() + seconds
    try:
        yield
    finally:
        _exchange.until = before


def bound_exchanges(client: httpx.Client) -> httpx.Client:
    """Let `within` bound the exchanges of a client, and return it.

    httpx has no argument for a network backend, so it is put where httpx keeps it. A transport
    of another kind, or of an httpx that keeps it elsewhere, stays as it is.
    """
    kept = vars(client)
    for transport in (kept.get("_transport"), *kept.get("_mounts", {}).values()):
        pool = getattr(transport, "_pool", None)
        backend = getattr(pool, "_network_backend", None)
        if isinstance(backend, httpcore.NetworkBackend):
            pool._network_backend = _Backend(backend)  # type: ignore[union-attr]  # noqa: SLF001
    return client


def _left(timeout: float | None, late: type[Exception]) -> float | None:
    if _exchange.until is None:
        return timeout
    left = _exchange.until - time.monotonic()
    if left <= 0:
        raise late("the whole exchange took too long")
    return left if timeout is None else min(left, timeout)


class _Backend(httpcore.NetworkBackend):
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
        timeout = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_tcp(host, port, timeout, local_address, socket_options))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        timeout = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_unix_socket(path, timeout, socket_options))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        timeout = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
