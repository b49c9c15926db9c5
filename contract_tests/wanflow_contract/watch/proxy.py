"""A proxy that forwards requests to one server, and lets an observer judge the exchanges.

Each connection of a client has its own connection to the server. A request is sent on as it was
received, except for its host and the path of the server's URL. The bytes of a response are passed
on unread; a copy of them is parsed to be judged, so what can't be parsed passes, too.
"""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import h11
from attrs import define, field

from wanflow_contract.watch.transfer import CHUNK, MOST_HEADERS, Transfer

if TYPE_CHECKING:
    import ssl

    from wanflow_contract.watch.observer import Observer
    from wanflow_contract.watch.recorded import Recorded
    from wanflow_contract.watch.upstream import Upstream

_CONNECT_SECONDS = 30.0
_MOST_WAITING = 64 << 20
"""How many bytes of exchanges may wait to be judged."""
_OF_AN_EXCHANGE = 4096


@define(eq=False)
class Proxy:
    """A proxy on a port of this machine; `failures` counts requests that got no response."""

    upstream: Upstream
    observer: Observer
    failures: int = 0
    _waiting: int = 0
    _judging: ThreadPoolExecutor = field(factory=lambda: ThreadPoolExecutor(1, "judge"))
    _tls: ssl.SSLContext | None = None
    _server: asyncio.Server | None = None
    _open: set[asyncio.Task[None]] = field(factory=set)

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port.

        Raises:
            OSError: the port can't be used.
        """
        self._tls = self.upstream.tls()
        self._server = await asyncio.start_server(self._accept, host, port)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def stop(self) -> None:
        """Close all connections, and judge what was received."""
        if self._server is not None:
            self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await asyncio.to_thread(self._judging.shutdown, wait=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await _Connection(self, reader, writer).serve()
        except (OSError, h11.ProtocolError):
            pass  # the client has gone, or doesn't speak HTTP
        except asyncio.CancelledError:
            pass  # the proxy is stopping; this task is the proxy's own
        finally:
            self._open.discard(task)
            await _close(writer)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection to the server.

        Raises:
            OSError: that isn't possible.
        """
        name = self.upstream.host if self._tls else None
        async with asyncio.timeout(_CONNECT_SECONDS):
            return await asyncio.open_connection(
                self.upstream.host, self.upstream.port, ssl=self._tls, server_hostname=name
            )

    def judge(self, recorded: Recorded) -> None:
        """Have an exchange judged, in the order of the responses, while others are forwarded.

        If too many wait already, it isn't.
        """
        size = _OF_AN_EXCHANGE + len(recorded.sent) + len(recorded.content)
        if self._waiting and self._waiting + size > _MOST_WAITING:
            self.observer.unread += 1
            return
        with suppress(RuntimeError):  # the proxy is stopping
            done = self._judging.submit(recorded.judge, self.observer)
            self._waiting += size
            loop = asyncio.get_running_loop()
            done.add_done_callback(lambda _: loop.call_soon_threadsafe(self._judged, size))

    def _judged(self, size: int) -> None:
        self._waiting -= size


@define(eq=False)
class _Connection:
    """A connection of a client, and its own one to the server."""

    proxy: Proxy
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    client: h11.Connection = field(init=False)
    server: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def serve(self) -> None:
        """Forward requests until one side closes its connection."""
        self.client = _parser(h11.SERVER)
        try:
            while (request := await self._next_request()) is not None and await self._pass(request):
                rest, _ = self.client.trailing_data  # what a client sent ahead
                self.client = _parser(h11.SERVER)
                if rest:
                    self.client.receive_data(rest)
        finally:
            if self.server is not None:
                await _close(self.server[1])

    async def _pass(self, request: h11.Request) -> bool:
        """Forward a request; return whether both connections can be used again."""
        if not request.target.startswith(b"/") and request.target != b"*":
            url = self.proxy.upstream.url
            await self._answer(400, f"this proxy forwards paths to {url}; use it as the base URL")
            return False
        try:
            self.server = self.server or await self.proxy.connect()
        except (OSError, TimeoutError):
            return await self._fail("the proxy can't connect to the server")
        transfer = Transfer(
            self.proxy.upstream, request, self.client, self.reader, self.writer, self.proxy.judge
        )
        reusable = await transfer.run(*self.server)
        if not transfer.received:
            return await self._fail("the server closed the connection without a response")
        return reusable

    async def _next_request(self) -> h11.Request | None:
        """Return the next request, None if one side closes before."""
        while True:
            try:
                event = self.client.next_event()
            except h11.RemoteProtocolError as error:
                await self._answer(error.error_status_hint, "the proxy can't read the request")
                return None
            if isinstance(event, h11.Request):
                return event
            if event is not h11.NEED_DATA:
                return None
            data = await self._read_idle()
            if not data:
                return None
            self.client.receive_data(data)

    async def _read_idle(self) -> bytes:
        """Return bytes of the client, b"" as soon as one side has closed."""
        ours = asyncio.ensure_future(self.reader.read(CHUNK))
        waiting = {ours}
        if self.server is not None:
            waiting.add(asyncio.ensure_future(self.server[0].read(CHUNK)))
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return ours.result() if done == {ours} else b""
        finally:
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _fail(self, why: str) -> bool:
        """Answer 502, which the observer doesn't see; return False."""
        self.proxy.failures += 1
        await self._answer(502, why)
        return False

    async def _answer(self, status: int, why: str) -> None:
        error = {"code": status, "message": why, "type": "proxy_error"}
        body = json.dumps({"error": error}).encode()
        head = f"HTTP/1.1 {status} {_REASONS.get(status, 'Bad Request')}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.writer.write(f"{head}connection: close\r\n\r\n".encode() + body)
        await self.writer.drain()


_REASONS = {502: "Bad Gateway"}


def _parser(role: type[h11.SERVER]) -> h11.Connection:
    return h11.Connection(role, max_incomplete_event_size=MOST_HEADERS)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
