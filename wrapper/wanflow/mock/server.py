"""The mock on a socket: bound before it starts, ready when entered, gone when left."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any, Self, Unpack

from wanflow.mock.mock import Mock
from wanflow.mock.options import SOCKET_OPTIONS, Options, check

if TYPE_CHECKING:
    from types import TracebackType

    from wanflow.mock.http.server import Server

_TIMEOUT = 10.0
_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what every address includes
_NOWHERE = "http://mock.invalid"


class MockUnavailable(Exception):
    """The mock can't run here; the message says what is missing."""


class PortInUse(MockUnavailable):
    """Something else listens on the port that was asked for."""


class MockServer(Mock):
    """A mock gateway on a loopback port, in a thread of its own, from `with` to its end.

    `port` 0 takes a free one; the options are those of `wanflow.mock.options.Options`.

    Raises:
        UnservableSpec: the document promises something that the mock can't keep.
        TypeError: there is no such option.
        ValueError: an option makes no sense.
        MockUnavailable: the `mock` extra is missing, or the port is taken.
    """

    _more_options = SOCKET_OPTIONS

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, **options: Unpack[Options]
    ) -> None:
        check({"host": host, "port": port}, "MockServer", *SOCKET_OPTIONS)
        super().__init__(_NOWHERE, **options)
        self.host = host
        self._wanted = (host, port)
        self._socket: socket.socket | None = None
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that is listened on.

        Raises:
            MockUnavailable: the server isn't running.
        """
        if self._socket is None:
            raise MockUnavailable("the mock isn't running; enter it with `with`")
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Scheme, host and port, without a closing slash."""
        host = _HERE.get(self.host, self.host)
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}"

    def __enter__(self) -> Self:
        """Start; the first request may be sent as soon as this returns."""
        serving = _import_serving()
        self._socket = _bind(*self._wanted)
        self.gateway.origin = self.url
        server = self._server = serving.Server(self.app, self.app.attach)
        arguments = (server, self._socket)
        self._thread = threading.Thread(
            target=serving.run, args=arguments, name="wanflow-mock", daemon=True
        )
        self._thread.start()
        if not server.ready(_TIMEOUT):
            self.__exit__(None, None, None)
            raise MockUnavailable("the mock didn't start; its thread ended early")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening, end open requests, and wait for the thread."""
        if self._server is not None and self._thread is not None:
            self._server.stop()
            self._thread.join(_TIMEOUT)
        if self._socket is not None:
            self._socket.close()
        self.app.detach()
        self._socket = self._server = self._thread = None


def _import_serving() -> Any:
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
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise PortInUse(f"the mock can't listen on {host}:{port}: {error.strerror}") from error
    return bound
