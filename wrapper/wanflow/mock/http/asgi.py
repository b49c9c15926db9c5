"""ASGI: builds requests from messages, and sends responses as messages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

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
    path, root_path = _paths(scope)
    limit = max_body_size(path.encode("latin-1"))
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        content = _joined(content, message.get("body", b""), limit)
        more = message.get("more_body", False)
    scheme = "https" if scope.get("scheme") == "https" else "http"
    return Request(
        scope["method"],
        path,
        dict(scope["headers"]),
        content,
        scope["query_string"],
        scheme=scheme,
        root_path=root_path,
    )


def _paths(scope: Message) -> tuple[str, str]:
    """Return the raw path below the mount, and the path of the mount.

    Servers and frameworks disagree on whether the path contains all of `root_path`: a proxy may
    have removed the first part, which `app_root_path` is, and then the mount is the rest.
    """
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    path = raw.decode("latin-1").partition("?")[0]
    root = str(scope.get("root_path", "")).rstrip("/")
    mount = root.removeprefix(str(scope.get("app_root_path", "")).rstrip("/"))
    for prefix in filter(None, (root, quote(root), mount, quote(mount))):
        rest = path.removeprefix(prefix)
        if rest != path and rest[:1] in {"", "/"}:
            return rest or "/", root
    return path, root


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
