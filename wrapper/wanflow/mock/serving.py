"""uvicorn as the mock runs it: quiet, quick to stop, its refusals in JSON. Needs the extra."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from wanflow.mock.wire import TRANSPORT

if TYPE_CHECKING:
    import socket

    from wanflow.mock.answer import Answer
    from wanflow.mock.app import MockApp

assert httptools  # named here so that its absence is noticed before a request is

# Without a handler, warnings about what isn't HTTP would end up on stderr.
logging.getLogger("uvicorn").addHandler(logging.NullHandler())

_GRACE = 0.5
_SMALL = 65536


class QuickServer(uvicorn.Server):
    """A server that tells when it is ready, and ends as soon as it is told to."""

    def __init__(self, config: uvicorn.Config, app: MockApp) -> None:
        super().__init__(config)
        self._app = app
        self.settled = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._app.attach()
        self.settled.set()

    def stop(self) -> None:
        """Have the server end; any thread may ask."""
        self.should_exit = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._told.set)

    async def main_loop(self) -> None:
        """Keep the Date header right until told to stop."""
        while not await self.on_tick(0):
            try:
                await asyncio.wait_for(self._told.wait(), 1)
            except TimeoutError:
                continue

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, give requests half a second to be answered, and cut off the rest."""
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        for connection in tuple(self.server_state.connections):
            connection.shutdown()
        if self.server_state.tasks:
            await asyncio.wait(tuple(self.server_state.tasks), timeout=_GRACE)
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # connections learn of their end in the loop's next round
        await asyncio.sleep(0)


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 with the connection within an application's reach."""

    def on_message_begin(self) -> None:
        """Hand the application the transport, as an extension of ASGI."""
        super().on_message_begin()
        lent: dict[object, object] = {"transport": self.transport, "at_once": answer_at_once}
        self.scope["extensions"] = {TRANSPORT: lent}

    def send_400_response(self, msg: str) -> None:
        """Refuse what isn't HTTP, in the words and the shape of the API."""
        error = {"code": 400, "message": msg, "type": "invalid_request_error"}
        body = json.dumps({"error": error}).encode()
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
        length = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(head + length + body)
        self.transport.close()


def answer_at_once(send: Any, answer: Answer) -> bool:
    """Write a whole answer in one go, where the cycle of `send` would take two and check more.

    False where that can't be: the cycle isn't uvicorn's, is over, or has to wait for its client.
    """
    cycle = getattr(send, "__self__", None)
    if not isinstance(cycle, RequestResponseCycle) or len(answer.body) > _SMALL:
        return False
    if cycle.response_started or cycle.disconnected or cycle.flow.write_paused:
        return False
    lines = [STATUS_LINE[answer.status]]
    for name, value in (*cycle.default_headers, *answer.header_list()):
        lines += (name, b": ", value, b"\r\n")
    lines.append(b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n")
    lines.append(b"" if cycle.scope["method"] == "HEAD" else answer.body)
    cycle.transport.write(b"".join(lines))
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


def make(app: MockApp) -> QuickServer:
    """Configure a server for an application; it says nothing and touches no logging."""
    return QuickServer(
        uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=60,
        ),
        app,
    )


def run(server: QuickServer, bound: socket.socket) -> None:
    """Serve on a bound socket until the server is told to exit."""
    try:
        server.run(sockets=[bound])
    finally:
        server.settled.set()


def ready(server: QuickServer, seconds: float) -> bool:
    """Wait until a server serves; False when it ended instead."""
    return server.settled.wait(seconds) and server.started
