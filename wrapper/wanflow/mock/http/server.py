"""The mock's own HTTP server, on one event loop."""

from __future__ import annotations

import asyncio
import threading
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from wanflow.mock.http.connection import Connection, ServerState

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine

    from wanflow.mock.http.request import Request
    from wanflow.mock.http.response import Response

_GRACE_SECONDS = 0.5
_MAX_IDLE = 60


class Server:
    """Serves an application on a bound socket until `stop`."""

    def __init__(
        self,
        respond: Callable[[Request], Coroutine[Any, Any, Response]],
        attach: Callable[[], None],
    ) -> None:
        self.stopped_or_ready = threading.Event()
        self.started = False
        self._state = ServerState(respond)
        self._attach = attach
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()

    async def serve(self, bound: socket.socket) -> None:
        """Listen, set the ready event, and serve until `stop`."""
        loop = self._loop = asyncio.get_running_loop()
        self._state.date = _date()
        listener = await loop.create_server(lambda: Connection(self._state), sock=bound)
        self._attach()
        self.started = True
        self.stopped_or_ready.set()
        try:
            await self._housekeeping()
        finally:
            listener.close()
            await _next_iterations()  # what was accepted in this one becomes a connection
            await self._shut_down()

    def stop(self) -> None:
        """Stop the server; any thread may call it."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)

    def ready(self, seconds: float) -> bool:
        """Wait until the server is ready; return False if it ended instead."""
        return self.stopped_or_ready.wait(seconds) and self.started

    async def _housekeeping(self) -> None:
        """Update the Date header, and close idle connections."""
        seconds = 0
        while not self._stop.is_set():
            try:
                await asyncio.wait_for(self._stop.wait(), 1)
            except TimeoutError:
                seconds += 1
                self._state.date = _date()
                if seconds % _MAX_IDLE == 0:
                    self._close_idle()

    def _close_idle(self) -> None:
        for connection in tuple(self._state.connections):
            if connection.idle and connection.task is None:
                connection.close_gracefully()
            connection.idle = True

    async def _shut_down(self) -> None:
        """Wait half a second for open requests, then close all connections."""
        for connection in tuple(self._state.connections):
            connection.close_gracefully()
        running = self._running()
        if running:
            await asyncio.wait(running, timeout=_GRACE_SECONDS)
        for connection in tuple(self._state.connections):
            connection.transport.abort()
        for task in self._running():
            task.cancel()
        await _next_iterations()  # connection_lost is called in the next one

    def _running(self) -> list[asyncio.Task[None]]:
        return [one.task for one in self._state.connections if one.task is not None]


def run(server: Server, bound: socket.socket) -> None:
    """Serve on a bound socket, in a new event loop, until the server is stopped."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(server.serve(bound))
    finally:
        server.stopped_or_ready.set()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not to be had on every system
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _next_iterations() -> None:
    for _ in range(2):
        await asyncio.sleep(0)


def _date() -> bytes:
    return b"date: %b\r\n" % formatdate(usegmt=True).encode()
