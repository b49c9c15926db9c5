"""One client's connection: requests are handled one after another, in order.

If the response is available without waiting, it is written before more data is read.
"""

from __future__ import annotations

import asyncio
import types
from collections import deque
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define, evolve, field

from wanflow.mock.http.broken_responses import send_broken_response
from wanflow.mock.http.parser import InvalidHttp, RequestParser
from wanflow.mock.http.response import Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from wanflow.mock.gateway.fault import Fault
    from wanflow.mock.http.request import Request
    from wanflow.mock.http.response import Header

T = TypeVar("T")


@types.coroutine
def resume_coroutine(coroutine: Coroutine[Any, Any, T], wanted: Any) -> Generator[Any, Any, T]:
    """Continue a coroutine that was started by `send(None)` and has yielded `wanted`."""
    while True:
        try:
            got = yield wanted
        except BaseException as error:
            resume = partial(coroutine.throw, error)
        else:
            resume = partial(coroutine.send, got)
        try:
            wanted = resume()
        except StopIteration as end:
            result: T = end.value
            return result


_MAX_WAITING = 100
_MAX_HEADS = 100
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_CLOSE = b"connection: close\r\n\r\n"
_NO_CONTENT = 204
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


@define(eq=False)
class ServerState:
    """What the connections of a server share; `date` is the Date header of this second."""

    respond: Callable[[Request], Coroutine[Any, Any, Response]]
    date: bytes = b""
    connections: set[Connection] = field(factory=set["Connection"])
    head_cache: dict[tuple[int, tuple[Header, ...]], bytes] = field(
        factory=dict[tuple[int, "tuple[Header, ...]"], bytes]
    )


class Connection(asyncio.Protocol):
    """HTTP/1.1 with one client; `task` handles a request that has to wait."""

    transport: asyncio.Transport

    def __init__(self, state: ServerState) -> None:
        self.idle = False
        self.task: asyncio.Task[None] | None = None
        self._state = state
        self._respond = state.respond
        self._parser = RequestParser(self._on_request, self._send_continue)
        self._waiting: deque[Request | InvalidHttp] = deque()
        self._write_paused = False
        self._closing = False
        self._disconnected = False
        self._closed: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Add the connection to the server."""
        self.transport = cast("asyncio.Transport", transport)
        address: tuple[str, int] | None = transport.get_extra_info("sockname")
        self._parser.local_host = address[0].removeprefix("::ffff:") if address else ""
        self._state.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - how is no matter
        """Remove the connection from the server."""
        self._state.connections.discard(self)
        self._waiting.clear()
        self._on_disconnect()

    def eof_received(self) -> bool:
        """Keep the connection open while requests are handled."""
        self._on_disconnect()
        return self._is_busy()

    def pause_writing(self) -> None:
        """Handle no more requests until the client has read the responses."""
        self._write_paused = True
        self._update_reading()

    def resume_writing(self) -> None:
        """Handle more requests."""
        self._write_paused = False
        self._handle_waiting()

    def data_received(self, data: bytes) -> None:
        """Parse requests, and handle them."""
        self.idle = False
        if self._closing:
            return
        try:
            self._parser.feed(data)
        except InvalidHttp as error:
            self._on_request(error)

    async def wait_closed(self) -> None:
        """Wait until the client has disconnected."""
        if self._closed is None:
            self._closed = asyncio.get_running_loop().create_future()
            if self._disconnected:
                self._closed.set_result(None)
        await self._closed

    def head(self, response: Response, extra: int = 0) -> bytes:
        """Return a response's head, with a Content-Length that is `extra` too large."""
        start = self._state.head_cache.get((response.status, response.headers)) or self._head_start(
            response
        )
        if response.status == _NO_CONTENT:
            return b"%b%b\r\n" % (start, self._state.date)
        length = (len(response.body) if response.length is None else response.length) + extra
        return b"%b%bcontent-length: %d\r\n\r\n" % (start, self._state.date, max(0, length))

    def close_gracefully(self) -> None:
        """Accept no more requests, and close after the responses to the current ones."""
        self._closing = True
        if not self._is_busy():
            self.transport.close()

    def _is_busy(self) -> bool:
        return self.task is not None or bool(self._waiting) or self._write_paused

    def _on_disconnect(self) -> None:
        self._closing = self._disconnected = True
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)

    def _send_continue(self) -> None:
        if not self._is_busy():
            self.transport.write(_CONTINUE)

    def _on_request(self, request: Request | InvalidHttp) -> None:
        if self._closing:
            return
        if isinstance(request, InvalidHttp) or request.close_after:
            self._closing = True
        if self.task is None and not self._waiting and not self._write_paused:
            self._handle(request)
        else:
            self._waiting.append(request)
            self._update_reading()

    def _handle(self, request: Request | InvalidHttp) -> None:
        if isinstance(request, InvalidHttp):
            self._reject(request)
            return
        coroutine = self._respond(request)
        try:
            wanted = coroutine.send(None)
        except StopIteration as end:
            response: Response = end.value
            if response.fault is None:
                self._send(request, response)
                return
            work = self._send_broken(request, response, response.fault)
        else:
            work = self._wait(request, coroutine, wanted)
        self.task = asyncio.get_running_loop().create_task(work)
        self.task.add_done_callback(self._done)

    async def _wait(self, request: Request, coroutine: Any, wanted: Any) -> None:
        response: Response = await resume_coroutine(coroutine, wanted)
        if response.fault is not None:
            await self._send_broken(request, response, response.fault)
        elif not self.transport.is_closing():  # the client may have disconnected
            self._send(request, response)

    async def _send_broken(self, request: Request, response: Response, fault: Fault) -> None:
        if request.method == "HEAD":
            length = len(response.body) if response.length is None else response.length
            response = evolve(response, body=b"", length=length)
        await send_broken_response(self, response, fault)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.task = None
        if not task.cancelled():
            task.result()
        self._handle_waiting()

    def _handle_waiting(self) -> None:
        """Handle the waiting requests."""
        while self._waiting and not (
            self.task or self._write_paused or self.transport.is_closing()
        ):
            self._handle(self._waiting.popleft())
        self._update_reading()
        if self._closing and not self._is_busy():
            self.transport.close()

    def _update_reading(self) -> None:
        """Pause reading while too many requests are waiting."""
        if self.transport.is_closing():
            return
        if self._write_paused or len(self._waiting) > _MAX_WAITING:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _send(self, request: Request, response: Response) -> None:
        body = b"" if request.method == "HEAD" else response.body
        head = self.head(response)
        if request.close_after:
            self.transport.write(head[:-2] + _CLOSE + body)
            self.transport.close()
        else:
            self.transport.write(head + body)

    def _head_start(self, response: Response) -> bytes:
        lines = [b"HTTP/1.1 %d %b" % (response.status, _REASONS.get(response.status, b""))]
        lines += (name + b": " + value for name, value in response.headers)
        start = b"\r\n".join(lines) + b"\r\n"
        if len(self._state.head_cache) >= _MAX_HEADS:
            self._state.head_cache.clear()
        self._state.head_cache[response.status, response.headers] = start
        return start

    def _reject(self, error: InvalidHttp) -> None:
        body = {"code": error.status, "message": str(error), "type": "invalid_request_error"}
        response = json_response(error.status, {"error": body})
        self.transport.write(self.head(response)[:-2] + _CLOSE + response.body)
        self.transport.close()
