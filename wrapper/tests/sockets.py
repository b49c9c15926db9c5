"""Ports of this machine for tests, and relays of TCP connections."""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def reserved_port() -> Iterator[int]:
    """Return a port that refuses connections until a process that is given its number listens.

    No other process gets it meanwhile, as it could if a number was only found to be unused.
    """
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


class Relay:
    """Passes TCP connections on to a server that `connect` connects to."""

    def __init__(self, connect: Callable[[], socket.socket], host: str = "127.0.0.1") -> None:
        self._connect, self._listener = connect, socket.create_server((host, 0))
        self.port = self._listener.getsockname()[1]
        Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Accept no more connections."""
        self._listener.close()

    def cut(self, part: bytes) -> int | None:
        """Return after how many bytes of what a client sends its connection ends; None for none."""
        del part
        return None

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                Thread(target=self._pass_on, args=(near, self._connect()), daemon=True).start()

    def _pass_on(self, near: socket.socket, far: socket.socket) -> None:
        with near, far:
            back = Thread(target=_copy, args=(far, near, lambda _: None), daemon=True)
            back.start()
            _copy(near, far, self.cut)
            back.join()


def _copy(source: socket.socket, target: socket.socket, cut: Callable[[bytes], int | None]) -> None:
    with suppress(OSError):
        size = None
        while size is None and (part := source.recv(65536)):
            size = cut(part)
            target.sendall(part[:size])
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
