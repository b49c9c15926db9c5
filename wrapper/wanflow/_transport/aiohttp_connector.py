"""aiohttp's connections: watched while they write, and not used again once the peer ended them."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

import aiohttp

from wanflow._fork_safety import cut_off, renew_in_children
from wanflow._transport.send_tracker import note_write

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable


class WatchedConnector(aiohttp.TCPConnector):
    """Makes connections that note each write, and looks whether a kept one has ended.

    aiohttp takes note of an end when the event loop does. After the loop was busy for longer than
    the server keeps a connection, a request would be written to one that isn't there any more.
    """

    async def connect(self, *args: Any, **more: Any) -> Any:
        """Take a connection that was kept, or make one."""
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
    """A transport that notes each write before it is made; all else is the transport's own."""

    def __init__(self, inner: asyncio.Transport) -> None:
        self._inner = inner
        self._used = self._kept = False
        self._socket = inner.get_extra_info("socket")
        self._poll = _poll_of(self._socket)
        renew_in_children(self)

    def renew(self) -> None:
        cut_off(self._socket)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def take(self) -> bool:
        """Take it for a request → whether it can be used: nothing may have come unasked."""
        self._kept, self._used = self._used, True
        return not self._has_ended()

    def _has_ended(self) -> bool:
        return self._kept and self._readable()

    def _readable(self) -> bool:
        """Tell whether there is something to read, an end included."""
        if self._socket is None or self._socket.fileno() < 0:
            return True
        if self._poll is None:
            return bool(select.select([self._socket.fileno()], [], [], 0)[0])
        return bool(self._poll.poll(0))

    def is_closing(self) -> bool:
        return self._inner.is_closing()

    def write(self, data: bytes) -> None:
        note_write(self._has_ended)
        self._inner.write(data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        note_write(self._has_ended)
        self._inner.writelines(parts)


def _poll_of(sock: Any) -> Any:
    """Make what tells that something can be read, where the system has it."""
    if sock is None or sock.fileno() < 0 or not hasattr(select, "poll"):
        return None
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return poll
