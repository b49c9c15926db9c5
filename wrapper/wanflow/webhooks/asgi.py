"""The receiver as an ASGI application: mount it anywhere, or serve it alone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
import anyio.to_thread
from attrs import field, frozen

from wanflow.webhooks.errors import CallbackRejected
from wanflow.webhooks.events import MAX_BODY_BYTES, CallbackPayload, parse_payload

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping

    from wanflow.webhooks.receiver import Receiver
    from wanflow.webhooks.workers import Worker

_JSON = "application/json"
_CHARSETS = frozenset({"", "charset=utf-8", 'charset="utf-8"'})


@frozen
class RequestHead:
    """The method, path and headers of a request; header names are in lower case."""

    method: str
    path: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> RequestHead:
        """Make one from ASGI's values; of a header that is sent twice, the first counts."""
        pairs = [
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers
        ]
        return cls(method, path, dict(reversed(pairs)))

    @property
    def token(self) -> str:
        """The last segment of the path."""
        return self.path.rpartition("/")[2]


def check_head(head: RequestHead) -> None:
    """Check that a request could be a callback, by its method and headers.

    Raises:
        CallbackRejected: it isn't a POST (405) or not JSON (415), or its Content-Length is too
            large (413).
    """
    if head.method != "POST":
        raise CallbackRejected("a callback must be a POST request", status=405)
    check_type(head.headers.get("content-type"))
    if head.headers.get("content-encoding", "identity").lower() != "identity":
        raise CallbackRejected("a callback must not be compressed", status=415)
    length = head.headers.get("content-length", "0")
    if (
        not length.isdecimal()
        or len(length) > len(str(MAX_BODY_BYTES))
        or int(length) > MAX_BODY_BYTES
    ):
        raise CallbackRejected("the body is too large", status=413)


def check_type(content_type: str | None) -> None:
    """Check that a content type is JSON.

    Raises:
        CallbackRejected: it is another type (415).
    """
    kind, _, parameter = (content_type or "").lower().partition(";")
    if kind.strip() != _JSON or parameter.strip() not in _CHARSETS:
        raise CallbackRejected("a callback must have the content type application/json", status=415)


# A callback has one or two kilobytes, so an honest one is received within milliseconds.
_BODY_TIMEOUT = 0.5
# Time for `is_job_of` and the store; if they take longer, the sender must repeat the callback.
_ACCEPT_TIMEOUT = 0.4
# Bodies that are read concurrently.
_MAX_READERS = 64
# Concurrent calls of `is_job_of` and the store, each in a thread.
_MAX_ACCEPTS = 8


class CallbackApp:
    """Responds within a second, and asks the API only after that.

    The token is the last segment of the path, wherever the application is mounted.

    Args:
        receiver: verifies tokens and accepts callbacks.
        worker: asks the API; None if nothing does.
        blocks: whether `receiver.accept` may block.
    """

    def __init__(self, receiver: Receiver, worker: Worker | None, *, blocks: bool) -> None:
        self._receiver = receiver
        self._worker = worker
        self._blocks = blocks
        self._readers = 0
        self._accepts = threading.Semaphore(_MAX_ACCEPTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI 3 specifies."""
        match scope["type"]:
            case "http":
                await self._serve(scope, receive, send)
            case "lifespan":
                await _lifespan(receive, send)
            case _:
                await send({"type": "websocket.close", "code": 1008})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            status = await self._receive(scope, receive)
        except CallbackRejected as error:
            status = error.status
        await _respond(send, scope, status)
        if self._worker is not None:
            self._worker.start()
            await self._worker.run_pending()

    async def _receive(self, scope: Scope, receive: Receive) -> int:
        head = RequestHead.of(scope["method"], scope["path"], scope["headers"])
        token = self._receiver.read_token(head.token)
        check_head(head)
        body = await self._body(receive)
        payload = parse_payload(token, body)
        if not self._blocks:
            return self._receiver.accept(payload)
        with anyio.move_on_after(_ACCEPT_TIMEOUT):
            return await anyio.to_thread.run_sync(self._accept, payload, abandon_on_cancel=True)
        raise CallbackRejected("timed out while checking which job the task belongs to", status=503)

    def _accept(self, payload: CallbackPayload) -> int:
        """Accept a callback, in a thread that may outlive its request."""
        if not self._accepts.acquire(blocking=False):
            raise CallbackRejected("too many callbacks are being checked", status=503)
        try:
            return self._receiver.accept(payload)
        finally:
            self._accepts.release()

    async def _body(self, receive: Receive) -> bytes:
        if self._readers >= _MAX_READERS:
            raise CallbackRejected("too many callbacks are being received", status=503)
        self._readers += 1
        try:
            with anyio.move_on_after(_BODY_TIMEOUT):
                return await _read(receive)
        finally:
            self._readers -= 1
        raise CallbackRejected("the body was sent too slowly", status=408)


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise CallbackRejected("the client has disconnected", status=400)
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise CallbackRejected("the body is too large", status=413)
        if not message.get("more_body", False):
            return bytes(body)


async def _respond(send: Send, scope: Scope, status: int) -> None:
    headers = [(b"content-length", b"0")]
    if status == 405:  # noqa: PLR2004 - the one status that must name the methods
        headers.append((b"allow", b"POST"))
    if not 200 <= status < 300 and scope.get("http_version", "1.1").startswith("1"):  # noqa: PLR2004
        # The body may not have been read to its end, so the connection can't be used again.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


if TYPE_CHECKING:
    Scope: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
