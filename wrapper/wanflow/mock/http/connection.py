"""One client's connection: requests come in, and are answered one after another, in order.

An answer that nothing has to be waited for is written before the next byte is read.
"""

from __future__ import annotations

import asyncio
import types
from collections import deque
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from attrs import define, evolve, field

from wanflow.mock.http.broken_responses import send_broken_response
from wanflow.mock.http.parser import InvalidHttp, RequestParser
from wanflow.mock.http.response import Response, json_response

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from wanflow.mock.gateway.fault import Fault
    from wanflow.mock.http.request import Request
    from wanflow.mock.http.response import Header

T = TypeVar("T")


@types.coroutine
def resume_coroutine(begun: Coroutine[Any, Any, T], wanted: Any) -> Generator[Any, Any, T]:
    """Go on with a coroutine that was begun by `send(None)` and wants to wait for something."""
    while True:
        try:
            got = yield wanted
        except BaseException as error:
            resume = partial(begun.throw, error)
        else:
            resume = partial(begun.send, got)
        try:
            wanted = resume()
        except StopIteration as end:
            result: T = end.value
            return result


_MOST_WAITING = 100
_MOST_STARTS = 100
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_CLOSE = b"connection: close\r\n\r\n"
_NO_CONTENT = 204
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


class Application(Protocol):
    """Whatever answers requests."""

    def respond(self, request: Request) -> Coroutine[Any, Any, Response]:
        """Answer a request, whatever it is."""
        ...


@define(eq=False)
class ServerState:
    """What the connections of a server share; `date` is the Date header of this second."""

    app: Application
    date: bytes = b""
    connections: set[Connection] = field(factory=set["Connection"])
    head_cache: dict[tuple[int, tuple[Header, ...]], bytes] = field(
        factory=dict[tuple[int, "tuple[Header, ...]"], bytes]
    )


class Connection(asyncio.Protocol):
    """HTTP/1.1 with one client; `task` is what goes on where an answer has to be waited for."""

    transport: asyncio.Transport

    def __init__(self, state: ServerState) -> None:
        self.idle = False
        self.task: asyncio.Task[None] | None = None
        self._state = state
        self._respond = state.app.respond
        self._parser = RequestParser(self._on_request, self._send_continue)
        self._waiting: deque[Request | InvalidHttp] = deque()
        self._write_paused = False
        self._closing = False
        self._disconnected = False
        self._closed: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take part in the server."""
        self.transport = cast("asyncio.Transport", transport)
        self._state.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - how is no matter
        """Leave the server."""
        self._state.connections.discard(self)
        self._waiting.clear()
        self._on_disconnect()

    def eof_received(self) -> bool:
        """Let requests be answered of a client that has nothing more to say."""
        self._on_disconnect()
        return self._is_busy()

    def pause_writing(self) -> None:
        """Answer nothing more until the client has taken what there is."""
        self._write_paused = True
        self._update_reading()

    def resume_writing(self) -> None:
        """Go on answering."""
        self._write_paused = False
        self._handle_waiting()

    def data_received(self, data: bytes) -> None:
        """Read requests, and answer those that can be answered at once."""
        self.idle = False
        if self._closing:
            return
        try:
            self._parser.feed(data)
        except InvalidHttp as nothing:
            self._on_request(nothing)

    async def wait_closed(self) -> None:
        """Wait until the client is gone."""
        if self._closed is None:
            self._closed = asyncio.get_running_loop().create_future()
            if self._disconnected:
                self._closed.set_result(None)
        await self._closed

    def head(self, answer: Response, extra: int = 0) -> bytes:
        """Write an answer's head; Content-Length says `extra` bytes more than there are."""
        start = self._state.head_cache.get((answer.status, answer.headers)) or self._head_start(
            answer
        )
        if answer.status == _NO_CONTENT:
            return b"%b%b\r\n" % (start, self._state.date)
        length = (len(answer.body) if answer.length is None else answer.length) + extra
        return b"%b%bcontent-length: %d\r\n\r\n" % (start, self._state.date, max(0, length))

    def close_gracefully(self) -> None:
        """Take no more requests, and close when those at hand are answered."""
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
        begun = self._respond(request)
        try:
            wanted = begun.send(None)
        except StopIteration as end:
            answer: Response = end.value
            if answer.fault is None:
                self._send(request, answer)
                return
            work = self._send_broken(request, answer, answer.fault)
        else:
            work = self._wait(request, begun, wanted)
        self.task = asyncio.get_running_loop().create_task(work)
        self.task.add_done_callback(self._done)

    async def _wait(self, request: Request, begun: Any, wanted: Any) -> None:
        answer: Response = await resume_coroutine(begun, wanted)
        if answer.fault is not None:
            await self._send_broken(request, answer, answer.fault)
        elif not self.transport.is_closing():  # its client may have lost patience
            self._send(request, answer)

    async def _send_broken(self, request: Request, answer: Response, fault: Fault) -> None:
        if request.method == "HEAD":
            length = len(answer.body) if answer.length is None else answer.length
            answer = evolve(answer, body=b"", length=length)
        await send_broken_response(self, answer, fault)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.task = None
        if not task.cancelled():
            task.result()
        self._handle_waiting()

    def _handle_waiting(self) -> None:
        """Answer what has waited for its turn."""
        while self._waiting and not (
            self.task or self._write_paused or self.transport.is_closing()
        ):
            self._handle(self._waiting.popleft())
        self._update_reading()
        if self._closing and not self._is_busy():
            self.transport.close()

    def _update_reading(self) -> None:
        """Read on only if what was read is being answered."""
        if self.transport.is_closing():
            return
        if self._write_paused or len(self._waiting) > _MOST_WAITING:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _send(self, request: Request, answer: Response) -> None:
        body = b"" if request.method == "HEAD" else answer.body
        head = self.head(answer)
        if request.close_after:
            self.transport.write(head[:-2] + _CLOSE + body)
            self.transport.close()
        else:
            self.transport.write(head + body)

    def _head_start(self, answer: Response) -> bytes:
        lines = [b"HTTP/1.1 %d %b" % (answer.status, _REASONS.get(answer.status, b""))]
        lines += (name + b": " + value for name, value in answer.headers)
        start = b"\r\n".join(lines) + b"\r\n"
        if len(self._state.head_cache) >= _MOST_STARTS:
            self._state.head_cache.clear()
        self._state.head_cache[answer.status, answer.headers] = start
        return start

    def _reject(self, nothing: InvalidHttp) -> None:
        error = {"code": nothing.status, "message": str(nothing), "type": "invalid_request_error"}
        answer = json_response(nothing.status, {"error": error})
        self.transport.write(self.head(answer)[:-2] + _CLOSE + answer.body)
        self.transport.close()
