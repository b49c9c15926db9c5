"""An HTTP proxy that forwards requests, opens tunnels, and records the head of each request."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from typing import Self
from urllib.parse import urlsplit

PASSWORD = "pass-word"


class Proxy:
    """Forwards requests for `http`, and opens a tunnel for CONNECT unless `refuse` is given.

    Everything goes to `target`, whatever host is requested.
    """

    def __init__(self, target: str, *, refuse: bytes | None = None) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 80)
        self._refuse = refuse
        self.heads: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def url(self) -> str:
        """The URL of the proxy, with a user and a password."""
        return f"http://user:{PASSWORD}@{self.address}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # some systems can't shut down a listener
            self._listener.shutdown(socket.SHUT_RDWR)  # ends `accept`, which `close` doesn't
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError):
            received = b""
            while b"\r\n\r\n" not in received:
                received += near.recv(65536)
            self.heads.append(received)
            tunnel = received.startswith(b"CONNECT ")
            if tunnel and self._refuse is not None:
                near.sendall(self._refuse)
                near.close()
                return
            far = socket.create_connection(self._target)
            self._open.append(far)
            if tunnel:
                near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                far.sendall(received)
            threading.Thread(target=_copy, args=(far, near), daemon=True).start()
            _copy(near, far)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


def credentials() -> bytes:
    """Return the header by which a client authenticates itself to the proxy."""
    word = base64.b64encode(f"user:{PASSWORD}".encode())
    return b"proxy-authorization: basic " + word.lower()
