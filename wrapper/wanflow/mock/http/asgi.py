"""The ASGI door: any server's messages become a request, and an answer becomes its messages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from wanflow.mock.http.broken_responses import chunks
from wanflow.mock.http.request import MAX_BODY_SIZE, Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wanflow.mock.gateway.fault import Fault
    from wanflow.mock.http.response import Response

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]


class SocketFaultUnsupported(Exception):
    """There is no socket to break: what a client would see of the fault can't be shown."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


async def read_request(scope: Message, receive: Receive) -> Request | None:
    """Read a request to its end, None where its client is gone before that."""
    content: bytes | None = b""
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        content = _joined(content, message.get("body", b""))
        more = message.get("more_body", False)
    path = scope["raw_path"].decode("latin-1").partition("?")[0]
    headers = dict(scope["headers"])
    return Request(scope["method"], path, headers, content, scope["query_string"])


async def send_response(answer: Response, send: Send) -> None:
    """Send an answer, slowly where it has that fault.

    Raises:
        SocketFaultUnsupported: the fault is one that only a socket can have.
    """
    fault = answer.fault
    if fault is not None and fault.name != "drip":
        raise SocketFaultUnsupported(fault)
    headers = answer.header_list()
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if fault is not None:
        for piece in chunks(answer.body):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(float(fault.value))
    rest = b"" if fault is not None else answer.body
    await send({"type": "http.response.body", "body": rest})


def _joined(content: bytes | None, piece: bytes) -> bytes | None:
    if content is None or len(content) + len(piece) > MAX_BODY_SIZE:
        return None
    return content + piece
