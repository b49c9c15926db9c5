"""ASGI: builds requests from messages, and sends responses as messages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from wanflow.mock.http.broken_responses import chunks
from wanflow.mock.http.request import Request, max_body_size

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wanflow.mock.gateway.fault import Fault
    from wanflow.mock.http.response import Response

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]


class SocketFaultUnsupported(Exception):
    """The fault needs a socket, which an ASGI application doesn't have."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


async def read_request(scope: Message, receive: Receive) -> Request | None:
    """Read a whole request, None if the client disconnects first."""
    content: bytes | None = b""
    limit = max_body_size(scope["raw_path"])
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        content = _joined(content, message.get("body", b""), limit)
        more = message.get("more_body", False)
    path = scope["raw_path"].decode("latin-1").partition("?")[0]
    headers = dict(scope["headers"])
    return Request(scope["method"], path, headers, content, scope["query_string"])


async def send_response(response: Response, send: Send) -> None:
    """Send a response, in chunks if it has the fault `drip`.

    Raises:
        SocketFaultUnsupported: the fault needs a socket.
    """
    fault = response.fault
    if fault is not None and fault.name != "drip":
        raise SocketFaultUnsupported(fault)
    headers = response.header_list()
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if fault is not None:
        for piece in chunks(response.body):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(float(fault.value))
    body = b"" if fault is not None else response.body
    await send({"type": "http.response.body", "body": body})


def _joined(content: bytes | None, piece: bytes, limit: int) -> bytes | None:
    if content is None or len(content) + len(piece) > limit:
        return None
    return content + piece
