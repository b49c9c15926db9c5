"""A server for a receiver, for scripts and the command line. Needs the extra `webhooks`."""

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
        f"a server for callbacks needs {missing.name}; run: pip install 'wanflow[webhooks]'",
        name=missing.name,
    ) from None

if TYPE_CHECKING:
    import asyncio

    from wanflow.webhooks.asgi import CallbackApp

# A callback is one short request with a response within a second. Longer connections, which send
# nothing or one byte at a time, are closed.
CONNECTION_TIMEOUT = 10.0
MAX_CONNECTIONS = 512
# Bytes of a request that aren't body: headers, trailers, framing. uvicorn itself sets no limit, and
# keeps them in memory.
MAX_OVERHEAD_BYTES = 65_536
_JOIN_SECONDS = 10.0

# Without a handler, warnings about invalid HTTP would be printed to stderr.
logging.getLogger("uvicorn").addHandler(logging.NullHandler())


class _BoundedHeaders(HttpToolsProtocol):
    """HTTP/1.1 that closes connections with too many bytes of headers."""

    _overhead = 0

    def data_received(self, data: bytes) -> None:
        self._overhead += len(data)
        super().data_received(data)
        if self._overhead > MAX_OVERHEAD_BYTES:
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        self._overhead -= len(body)
        super().on_body(body)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline:
            self._overhead = 0


def _bounded_connections(seconds: float, most: int) -> type[HttpToolsProtocol]:
    """Return an HTTP/1.1 protocol that limits the duration and number of connections.

    If there are too many, the oldest is closed: honest ones last milliseconds.
    """
    connections: dict[asyncio.Transport, None] = {}

    class BoundedConnection(_BoundedHeaders):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._timer: asyncio.TimerHandle = self.loop.call_later(seconds, transport.abort)
            connections[transport] = None
            if len(connections) > most:
                oldest = next(iter(connections))
                del connections[oldest]
                oldest.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            self._timer.cancel()
            connections.pop(self.transport, None)
            super().connection_lost(exc)

    return BoundedConnection


class CallbackServer:
    """Serves a receiver's `app` in its own thread, while its `with` block runs.

    Put a proxy that terminates TLS in front of it: the API calls only https URLs.

    Args:
        app: the application.
        host: the address to listen on.
        port: the port to listen on; 0 chooses a free one.
        connection_timeout: the maximum duration of a connection in seconds.
        max_connections: the maximum number of open connections; beyond it, the oldest is closed.

    Raises:
        ConfigurationError: the address is in use, or isn't an address of this machine.
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
            _config(app, _bounded_connections(connection_timeout, max_connections))
        )
        self._thread: threading.Thread | None = None
        self._socket: socket.socket | None = None

    @property
    def port(self) -> int:
        """The port, 0 while the server isn't running."""
        return self._socket.getsockname()[1] if self._socket else 0

    def __enter__(self) -> Self:
        """Listen; connections are accepted from now on."""
        bound = self._socket = _bind(self.host, self._wanted)
        self._thread = threading.Thread(
            target=self._server.run, args=([bound],), name="wanflow-listener", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Finish open requests, and stop."""
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
