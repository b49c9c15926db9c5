"""A proxy of PostgreSQL's socket: it cuts at a chosen message of the client, is slow, or silent."""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
Cut = Literal["before", "after"]
"""Before the server gets the message, or after it has answered, which the client doesn't get."""


class CuttingProxy:
    """Passes on what a client and the server say; `cut` decides about each part of the client's."""

    def __init__(self, server_socket: Path) -> None:
        self._server_socket = server_socket
        self.folder = Path(tempfile.mkdtemp(prefix="wanflow-proxy-", dir="/tmp"))
        self.cut: Callable[[bytes], Cut | None] = lambda _: None
        self.refusing = False
        self.accepted = 0
        """How many connections were made."""
        self.delay = 0.0
        """Seconds by which each part of the client's is late."""
        self.passing = threading.Event()
        """While it is cleared, nothing is passed on, and no connection breaks."""
        self.passing.set()
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.folder / server_socket.name))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Cut all connections, and accept no more."""
        self.passing.set()
        self._listener.close()
        self.cut_all()
        shutil.rmtree(self.folder)

    def cut_all(self) -> None:
        """Cut all connections."""
        while self._open:
            _end(self._open.pop())

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.accepted += 1
                if self.refusing:
                    client.close()
                    continue
                server = socket.socket(socket.AF_UNIX)
                try:
                    server.connect(str(self._server_socket))
                except OSError:
                    _end(client, server)
                    continue
                self._open += [client, server]
                dropped = threading.Event()
                for function in (self._pass_on, self._pass_back):
                    given = (client, server, dropped)
                    threading.Thread(target=function, args=given, daemon=True).start()

    def _pass_on(
        self, client: socket.socket, server: socket.socket, dropped: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                time.sleep(self.delay)
                self.passing.wait()
                cut = self.cut(data)
                if cut == "before":
                    break
                if cut == "after":
                    dropped.set()
                server.sendall(data)
        if not dropped.is_set():
            _end(client, server)

    def _pass_back(
        self, client: socket.socket, server: socket.socket, dropped: threading.Event
    ) -> None:
        with suppress(OSError):
            while (data := server.recv(65536)) and not dropped.is_set():
                self.passing.wait()
                client.sendall(data)
        _end(client, server)


def _end(*sockets: socket.socket) -> None:
    for one in sockets:
        # A thread that waits for it wakes up.
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
