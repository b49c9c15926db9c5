"""The receiver as an ASGI application: mount it anywhere, or serve it alone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import anyio
import anyio.to_thread
from attrs import field, frozen

from wanflow.webhooks.errors import CallbackRejected
from wanflow.webhooks.events import MAX_BODY_BYTES, CallbackPayload, parse_payload

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping

    from wanflow.webhooks.url_tokens import TokenData
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
        """Make one of what ASGI hands over; of a header that comes twice, the first counts."""
        pairs = [
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers
        ]
        return cls(method, path, dict(reversed(pairs)))

    @property
    def token(self) -> str:
        """The last segment of the path."""
        return self.path.rpartition("/")[2]


def check_head(head: RequestHead) -> None:
    """Let a head pass that a callback could have.

    Raises:
        Refused: it isn't a POST (405), not of JSON (415), or announces too much (413).
    """
    if head.method != "POST":
        raise CallbackRejected("a callback is a POST", status=405)
    check_type(head.headers.get("content-type"))
    if head.headers.get("content-encoding", "identity").lower() != "identity":
        raise CallbackRejected("a callback is not compressed", status=415)
    length = head.headers.get("content-length", "0")
    if (
        not length.isdecimal()
        or len(length) > len(str(MAX_BODY_BYTES))
        or int(length) > MAX_BODY_BYTES
    ):
        raise CallbackRejected("the body is too large", status=413)


def check_type(content_type: str | None) -> None:
    """Let JSON pass.

    Raises:
        Refused: it is of another type (415).
    """
    kind, _, parameter = (content_type or "").lower().partition(";")
    if kind.strip() != _JSON or parameter.strip() not in _CHARSETS:
        raise CallbackRejected("a callback is of application/json", status=415)


# A callback is a kilobyte or two, and is here at once or isn't one.
_BODY_SECONDS = 0.5
# Whose task it is, and whether it was taken, is looked up within this, or the caller comes again.
_ADMIT_SECONDS = 0.4
# Bodies that are read at once.
_READERS = 64
# Look-ups that may hang at once, each with a thread.
_LOOKUPS = 8


class Door(Protocol):
    """What the application needs of a receiver."""

    def ticket(self, token: str) -> TokenData:
        """Read a token."""
        ...

    def accept(self, claim: CallbackPayload) -> int:
        """Take a claim in."""
        ...


class CallbackApp:
    """Answers within a second, and asks the API only after it has.

    The token is the last segment of the path, wherever the application is mounted.

    Args:
        door: what is behind it.
        hands: who asks the API.
        blocks: whether taking a claim in may block.
    """

    def __init__(self, receiver: Door, worker: Worker | None, *, blocks: bool) -> None:
        self._door = receiver
        self._hands = worker
        self._blocks = blocks
        self._readers = 0
        self._lookups = threading.Semaphore(_LOOKUPS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request, as ASGI 3 has it."""
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
        except CallbackRejected as no:
            status = no.status
        await _respond(send, scope, status)
        if self._hands is not None:
            self._hands.start()
            await self._hands.run_pending()

    async def _receive(self, scope: Scope, receive: Receive) -> int:
        head = RequestHead.of(scope["method"], scope["path"], scope["headers"])
        ticket = self._door.ticket(head.token)
        check_head(head)
        body = await self._body(receive)
        claim = parse_payload(ticket, body)
        if not self._blocks:
            return self._door.accept(claim)
        with anyio.move_on_after(_ADMIT_SECONDS):
            return await anyio.to_thread.run_sync(self._look_up, claim, abandon_on_cancel=True)
        raise CallbackRejected("it took too long to find out whose task this is", status=503)

    def _look_up(self, claim: CallbackPayload) -> int:
        """Take a claim in, in a thread that nobody may be waiting for any more."""
        if not self._lookups.acquire(blocking=False):
            raise CallbackRejected("too many look-ups hang", status=503)
        try:
            return self._door.accept(claim)
        finally:
            self._lookups.release()

    async def _body(self, receive: Receive) -> bytes:
        if self._readers >= _READERS:
            raise CallbackRejected("too many callbacks come at once", status=503)
        self._readers += 1
        try:
            with anyio.move_on_after(_BODY_SECONDS):
                return await _read(receive)
        finally:
            self._readers -= 1
        raise CallbackRejected("the body came too slowly", status=408)


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise CallbackRejected("the caller has gone", status=400)
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
        # A refused body is not read to its end, so nothing can follow it.
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
