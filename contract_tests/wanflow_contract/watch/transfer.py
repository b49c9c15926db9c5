"""One request on its way to a server, and its response on its way back."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import h11
from attrs import define, field

from wanflow_contract.watch.recorded import MAX_BODY, Recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow_contract.support.exchange import Headers
    from wanflow_contract.watch.upstream import Upstream

CHUNK = 1 << 16
MOST_HEADERS = 1 << 18
_LAST_SECONDS = 30.0
"""For how long a server may go on sending after its client has ended, with another protocol."""


@define(eq=False)
class Body:
    """The bytes of a body, as far as they are judged."""

    parts: list[bytes] = field(factory=list)
    size: int = 0

    def add(self, part: bytes) -> None:
        """Add a part, unless the body is too long."""
        self.size += len(part)
        if self.size <= MAX_BODY:
            self.parts.append(bytes(part))
        else:
            self.parts.clear()


@define(eq=False)
class Transfer:
    """Forwards a request, and passes on the bytes of its response.

    A complete exchange is judged before the last bytes are passed on. `received` is the
    number of bytes of the response, `ended` when it was complete.
    """

    upstream: Upstream
    request: h11.Request
    client: h11.Connection
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    judge: Callable[[Recorded], None]
    received: int = 0
    ended: float | None = None
    _parser: h11.Connection | None = field(
        factory=lambda: h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEADERS)
    )
    _started: float = field(factory=time.time)
    _sent: Body = field(factory=Body)
    _content: Body = field(factory=Body)
    _response: h11.Response | None = None
    _switched: bool = False
    _all_sent: bool = False

    async def run(
        self, server_reader: asyncio.StreamReader, server_writer: asyncio.StreamWriter
    ) -> bool:
        """Forward; return whether both connections can be used for another request."""
        sending = asyncio.ensure_future(self._send(server_writer))
        try:
            await self._receive(server_reader)
            if self._switched:
                await self._pass_both_ways(server_reader, server_writer)
            return sending.done() and sending.exception() is None and self._reusable()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    def _reusable(self) -> bool:
        parser = self._parser
        return (
            parser is not None
            and self.ended is not None
            and (parser.our_state, parser.their_state) == (h11.DONE, h11.DONE)
            and not parser.trailing_data[0]
        )

    async def _send(self, server: asyncio.StreamWriter) -> None:
        """Send the request: its head in the client's order and case, then its body."""
        method, target, headers = self.request.method, self._target(), self._headers()
        parser = self._parser
        assert parser is not None
        with suppress(h11.LocalProtocolError):
            parser.send(h11.Request(method=method, target=target, headers=headers))
        lines = [b"%s: %s\r\n" % one for one in headers]
        first = b"%s %s HTTP/%s\r\n" % (method, target, self.request.http_version)
        server.write(b"".join([first, *lines, b"\r\n"]))
        await server.drain()
        while not isinstance(event := await self._next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                self._sent.add(event.data)
                server.write(parser.send(event) or b"")
                await server.drain()
        self._all_sent = True
        server.write(parser.send(h11.EndOfMessage()) or b"")
        await server.drain()

    def _target(self) -> bytes:
        own = self.request.target
        return own if own == b"*" else self.upstream.base.encode() + own

    def _headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers in their order and case, with the host of the server."""
        host = self.upstream.netloc.encode()
        headers = [
            (name, host if name.lower() == b"host" else value)
            for name, value in self.request.headers.raw_items()
        ]
        if not any(name.lower() == b"host" for name, _ in headers):
            headers.insert(0, (b"Host", host))
        return headers

    async def _next_event(self) -> object:
        while (event := self.client.next_event()) is h11.NEED_DATA:
            self.client.receive_data(await self.reader.read(CHUNK))
        return event

    async def _pass_both_ways(
        self, server_reader: asyncio.StreamReader, server_writer: asyncio.StreamWriter
    ) -> None:
        """Pass on all bytes until the server closes; it may have more to say after the client."""
        copying = asyncio.ensure_future(self._copy(server_writer))
        receiving = asyncio.ensure_future(self._receive(server_reader))
        await asyncio.wait({copying, receiving}, return_when=asyncio.FIRST_COMPLETED)
        if not receiving.done() and copying.exception() is None and server_writer.can_write_eof():
            server_writer.write_eof()
            await asyncio.wait({receiving}, timeout=_LAST_SECONDS)
        for one in (copying, receiving):
            one.cancel()
        await asyncio.gather(copying, receiving, return_exceptions=True)

    async def _copy(self, server: asyncio.StreamWriter) -> None:
        """Pass on what a client sends after the protocol was changed."""
        server.write(self.client.trailing_data[0])
        while data := await self.reader.read(CHUNK):
            server.write(data)
            await server.drain()

    async def _receive(self, server: asyncio.StreamReader) -> None:
        """Pass on the bytes of the response until its end."""
        while self.ended is None or self._switched:
            with_error = None
            try:
                data = await server.read(CHUNK)
            except OSError as error:
                data, with_error = b"", error
            self.received += len(data)
            switched = self._switched
            if not switched:
                self._parse(data, cut=with_error is not None)
            if data:
                self.writer.write(data)
                await self.writer.drain()
            if not data or switched != self._switched:
                return

    def _parse(self, data: bytes, *, cut: bool) -> None:
        """Parse a copy; what isn't HTTP is passed on, and not judged."""
        parser = self._parser
        if parser is None or (cut and not data):
            return
        try:
            parser.receive_data(data)
            while self._handle(parser.next_event()):
                pass
        except h11.RemoteProtocolError:
            self._parser = None
        else:
            if self.ended is not None:
                self.judge(self._recorded(self.ended))

    def _handle(self, event: object) -> bool:
        """Record an event of the response; return whether another may follow."""
        match event:
            case h11.InformationalResponse() if event.status_code == 101:
                self._switched = True
                return False
            case h11.Response():
                self._response = event
            case h11.Data():
                self._content.add(event.data)
            case h11.EndOfMessage():
                self.ended = time.time()
            case h11.InformationalResponse():
                pass
            case _:
                return False
        return self.ended is None

    def _recorded(self, ended: float) -> Recorded:
        assert self._response is not None
        target = self._target().decode("latin-1")
        longest = max(self._sent.size, self._content.size)
        return Recorded(
            method=self.request.method.decode("latin-1"),
            url=f"{self.upstream.scheme}://{self.upstream.netloc}{target}",
            request_headers=_pairs(self.request.headers),
            sent=b"".join(self._sent.parts),
            status=self._response.status_code,
            headers=_pairs(self._response.headers),
            content=b"".join(self._content.parts),
            started=self._started,
            ended=ended,
            complete=self._all_sent and longest <= MAX_BODY,
        )


def _pairs(headers: Any) -> Headers:
    return tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw_items()
    )
