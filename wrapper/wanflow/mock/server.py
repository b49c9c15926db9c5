"""The mock as an HTTP server: ready when entered, stopped when left."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any, Self, Unpack

from wanflow.mock.mock import Mock
from wanflow.mock.options import SOCKET_OPTIONS, Options, check

if TYPE_CHECKING:
    from wanflow.mock.http.server import Server

_TIMEOUT = 10.0
_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what every address includes
_NO_ORIGIN = "http://mock.invalid"


class MockUnavailable(Exception):
    """The mock can't run here; the message says why."""


class PortInUse(MockUnavailable):
    """Another process listens on the port."""


class MockServer(Mock):
    """A mock on a loopback port, in its own thread, while its `with` block runs.

    `port` 0 chooses a free one; the options are those of `wanflow.mock.options.Options`.

    Raises:
        UnsupportedSpec: the spec has something that the mock can't serve.
        TypeError: an option is unknown.
        ValueError: an option has an invalid value.
        MockUnavailable: the `mock` extra is missing, or the port is in use.
    """

    _more_options = SOCKET_OPTIONS

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, **options: Unpack[Options]
    ) -> None:
        check({"host": host, "port": port}, "MockServer", *SOCKET_OPTIONS)
        super().__init__(_NO_ORIGIN, **options)
        self.host = host
        self._address = (host, port)
        self._socket: socket.socket | None = None
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that the server listens on.

        Raises:
            MockUnavailable: the server isn't running.
        """
        if self._socket is None:
            raise MockUnavailable("the mock isn't running; use it in a `with` block")
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Scheme, host and port, without a closing slash."""
        host = _LOOPBACK_OF.get(self.host, self.host)
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}"

    def __enter__(self) -> Self:
        """Start the server; it accepts requests when this returns."""
        serving = _import_server()
        self._socket = _bind(*self._address)
        self.app.hosts.own_origin = self.url
        self.gateway.origin = self.app.public_url or self.url
        server = self._server = serving.Server(self.app.respond, self.app.attach)
        arguments = (server, self._socket)
        self._thread = threading.Thread(
            target=serving.run, args=arguments, name="wanflow-mock", daemon=True
        )
        self._thread.start()
        if not server.ready(_TIMEOUT):
            self.__exit__()
            raise MockUnavailable("the mock didn't start: its thread ended")
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening, end open requests, and wait for the thread."""
        if self._server is not None and self._thread is not None:
            self._server.stop()
            self._thread.join(_TIMEOUT)
        if self._socket is not None:
            self._socket.close()
        self.app.detach()
        self._socket = self._server = self._thread = None


def _import_server() -> Any:
    try:
        from wanflow.mock.http import server as serving  # noqa: PLC0415 - needs the extra
    except ImportError as error:
        raise MockUnavailable(
            f"the mock server needs {error.name}; run: pip install 'wanflow[mock]'"
        ) from error
    return serving


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    try:
        # On Windows SO_REUSEADDR would let another server take the same port.
        alone: int = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
        bound.setsockopt(socket.SOL_SOCKET, alone, 1)
        bound.bind((host, port))
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise PortInUse(
            f"the mock can't listen on {host}:{port}: {error.strerror}; choose another port, "
            "or 0 for a free one"
        ) from error
    return bound
