"""A request as it comes from ASGI: read when it is wanted, and only up to a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from attrs import define, field

from wanflow.mock.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

MOST_BYTES = 1024 * 1024


@define(eq=False)
class Request:
    """Method, raw path (percent signs as sent) and headers (names in lower case; the last wins)."""

    method: str
    path: str
    headers: Mapping[bytes, bytes] = field(repr=False)
    query: bytes = field(repr=False)
    receive: Receive = field(repr=False)

    @classmethod
    def of(cls, scope: Message, receive: Receive) -> Request:
        """Take what ASGI has."""
        path = scope["raw_path"].decode("latin-1").partition("?")[0]
        return cls(scope["method"], path, dict(scope["headers"]), scope["query_string"], receive)

    @property
    def decoded(self) -> str:
        """The path with its percent signs read."""
        return unquote(self.path)

    @property
    def arguments(self) -> dict[str, str]:
        """The query's arguments; the last of a name wins."""
        return dict(parse_qsl(self.query.decode("latin-1")))

    async def body(self, most: int = MOST_BYTES) -> bytes:
        """Read the whole body.

        Raises:
            Refusal: 413, it has more than `most` bytes; 400, it ended early.
        """
        length = self.headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length[:20]) > most:
            raise _too_large(most)
        body, more = b"", True
        while more:
            message = await self.receive()
            if message["type"] != "http.request":
                raise Refusal(400, "the request ended before its body did")
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > most:
                raise _too_large(most)
        return body

    def allow(self, *methods: str) -> None:
        """Let only some methods pass.

        Raises:
            Refusal: 405, the method is another.
        """
        if self.method not in methods:
            names = ", ".join(methods)
            allowed = ((b"allow", names.encode()),)
            raise Refusal(405, f"{self.method} is not allowed here, only {names}", headers=allowed)


def _too_large(most: int) -> Refusal:
    return Refusal(413, f"the body must have at most {most} bytes")
