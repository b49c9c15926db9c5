"""The receiver on a socket of its own, for scripts and the command line. Needs the extra."""

from __future__ import annotations

import logging
import socket
import threading
from typing import TYPE_CHECKING, Any, Self

from wanflow.errors import ConfigurationError

try:
    import uvicorn
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"a listener needs {missing.name}; run: pip install 'wanflow[webhooks]'", name=missing.name
    ) from None

if TYPE_CHECKING:
    import asyncio

    from wanflow.webhooks.asgi import CallbackApp

# A callback is one short request, answered within a second. Whoever holds on longer, sending
# nothing or a byte at a time, is cut off, and their place is free again.
CONNECTION_TIMEOUT = 10.0
MAX_CONNECTIONS = 512
# What isn't body, between a request's first byte and its answer: heads, trailers, framing. The
# server itself would read a head without end, and keep it.
MAX_OVERHEAD_BYTES = 65_536
_JOIN_SECONDS = 10.0

# Without a handler, warnings about what isn't HTTP would end up on stderr.
logging.getLogger("uvicorn").addHandler(logging.NullHandler())


class _BoundedHeaders(HttpToolsProtocol):
    """HTTP/1.1 that cuts off a head without end."""

    _besides = 0

    def data_received(self, data: bytes) -> None:
        self._besides += len(data)
        super().data_received(data)
        if self._besides > MAX_OVERHEAD_BYTES:
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        self._besides -= len(body)
        super().on_body(body)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline:
            self._besides = 0


def _short_connections(seconds: float, most: int) -> type[HttpToolsProtocol]:
    """Make HTTP/1.1 of connections that last so long and no longer.

    Where there are too many, the oldest makes room: honest ones are gone in milliseconds.
    """
    lasting: dict[asyncio.Transport, None] = {}

    class ShortConnection(_BoundedHeaders):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._end: asyncio.TimerHandle = self.loop.call_later(seconds, transport.abort)
            lasting[transport] = None
            if len(lasting) > most:
                oldest = next(iter(lasting))
                del lasting[oldest]
                oldest.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            self._end.cancel()
            lasting.pop(self.transport, None)
            super().connection_lost(exc)

    return ShortConnection


class CallbackServer:
    """Serves a receiver's `app` in a thread of its own, from `with` to its end.

    Put a proxy that speaks TLS before it: the API calls https only.

    Args:
        app: the application.
        host, port: where to listen; port 0 takes a free one.
        patience: seconds that a connection may last.
        most: connections that may be open at once; a new one takes the place of the oldest.

    Raises:
        ConfigurationError: something else listens there, or the host isn't this machine's.
    """

    def __init__(
        self,
        app: CallbackApp,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        connection_timeout: float = CONNECTION_TIMEOUT,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self.host = host
        self._wanted = port
        self._server = uvicorn.Server(
            _config(app, _short_connections(connection_timeout, max_connections))
        )
        self._thread: threading.Thread | None = None
        self._socket: socket.socket | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, 0 before and after."""
        return self._socket.getsockname()[1] if self._socket else 0

    def __enter__(self) -> Self:
        """Listen; a connection made from now on is served."""
        bound = self._socket = _bind(self.host, self._wanted)
        self._thread = threading.Thread(
            target=self._server.run, args=([bound],), name="wanflow-listener", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Answer what has come, and stop."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)
        if self._socket is not None:
            self._socket.close()
        self._thread = self._socket = None


def _config(app: CallbackApp, protocol: type[HttpToolsProtocol]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        interface="asgi3",
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=1,
    )


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise ConfigurationError(f"can't listen on {host}:{port}: {error.strerror}") from None
