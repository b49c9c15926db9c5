"""aiohttp's connections: writes are observed, and those that the peer closed aren't reused."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

import aiohttp

from wanflow._fork_safety import detach_socket, renew_in_children
from wanflow._transport.send_observer import before_write

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable


class WatchedConnector(aiohttp.TCPConnector):
    """Makes connections that observe each write, and checks whether an idle one was closed.

    aiohttp learns of a closed connection only when the event loop runs. After the loop was busy
    for longer than the server keeps idle connections, it would write a request to a closed one.
    """

    async def connect(self, *args: Any, **more: Any) -> Any:
        """Return an idle connection, or a new one."""
        while True:
            connection: Any = await super().connect(*args, **more)
            transport: object = connection.transport
            if not isinstance(transport, _Transport) or transport.take():
                return connection
            connection.close()

    async def _create_connection(self, *args: Any, **more: Any) -> Any:
        protocol: Any = await super()._create_connection(*args, **more)
        if protocol.transport is not None:
            protocol.transport = _Transport(protocol.transport)
        return protocol


class _Transport:
    """A transport that reports each write before it is made; the rest is the inner transport's."""

    def __init__(self, inner: asyncio.Transport) -> None:
        self._inner = inner
        self._used = self._kept = False
        self._socket = inner.get_extra_info("socket")
        self._poll = _poll_of(self._socket)
        renew_in_children(self)

    def renew(self) -> None:
        detach_socket(self._socket)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def take(self) -> bool:
        """Use it for a request → False where it was closed, or has unexpected data to read."""
        self._kept, self._used = self._used, True
        return not self._has_ended()

    def _has_ended(self) -> bool:
        return self._kept and self._readable()

    def _readable(self) -> bool:
        """Return whether there is something to read, which includes a closed connection."""
        if self._socket is None or self._socket.fileno() < 0:
            return True
        if self._poll is None:
            return bool(select.select([self._socket.fileno()], [], [], 0)[0])
        return bool(self._poll.poll(0))

    def is_closing(self) -> bool:
        return self._inner.is_closing()

    def write(self, data: bytes) -> None:
        before_write(self._has_ended)
        self._inner.write(data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        before_write(self._has_ended)
        self._inner.writelines(parts)


def _poll_of(sock: Any) -> Any:
    """Return a poll object for the socket, where the system has one."""
    system: Any = select
    if sock is None or sock.fileno() < 0 or not hasattr(system, "poll"):
        return None
    poll = system.poll()
    poll.register(sock.fileno(), system.POLLIN)
    return poll
