"""The way of an answer to its client, and what can go wrong on it."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow.mock.answer import Answer
    from wanflow.mock.fault import Fault
    from wanflow.mock.request import Receive, Send

TRANSPORT = "wanflow.transport"
"""The extension of ASGI by which a server lends its transport to the application."""

PIECES = 20
_MOMENT = 0.05
_AT_ONCE = struct.pack("ii", 1, 0)


class BrokenWire(Exception):
    """There is no socket to break: what a client of it would see is for the caller to show."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


@define(eq=False)
class Wire:
    """A connection to one client: ASGI's way out, and what a server lends beside it.

    `transport` is what is below ASGI, for faults; `at_once` sends a small answer in one write.
    """

    receive: Receive = field(repr=False)
    send: Send = field(repr=False)
    transport: Any = None
    at_once: Callable[[Send, Answer], bool] | None = field(default=None, repr=False)

    async def deliver(self, answer: Answer) -> None:
        """Send an answer as it should be."""
        if self.at_once is not None and self.at_once(self.send, answer):
            return
        headers = answer.header_list()
        await self.send(
            {"type": "http.response.start", "status": answer.status, "headers": headers}
        )
        await self.send({"type": "http.response.body", "body": answer.body})

    async def break_before(self, fault: Fault) -> None:
        """Have a client wait for an answer that doesn't come: `reset`, `empty` or `stall`."""
        self._need_transport(fault)
        match fault.name:
            case "reset":
                await self._reset()
            case "empty":
                await self._close()
            case _:
                await self._gone()

    async def break_during(self, answer: Answer, fault: Fault) -> None:
        """Send an answer with a fault of the wire."""
        if fault.name == "drip":
            await self._drip(answer, float(fault.value))
            return
        self._need_transport(fault)
        half = len(answer.body) // 2
        match fault.name:
            case "lost-answer":
                await self._reset()
            case "reset-after-headers":
                await self._write(_head(answer))
                await self._reset()
            case "reset-in-body":
                await self._write(_head(answer) + answer.body[:half])
                await self._reset()
            case "stall-in-body":
                await self._write(_head(answer) + answer.body[:half])
                await self._gone()
            case _:
                await self._write(_head(answer, extra=int(fault.value)) + answer.body)
                await self._close()

    def _need_transport(self, fault: Fault) -> None:
        if self.transport is None:
            raise BrokenWire(fault)

    async def _drip(self, answer: Answer, pause: float) -> None:
        headers = answer.header_list()
        await self.send(
            {"type": "http.response.start", "status": answer.status, "headers": headers}
        )
        size = max(1, -(-len(answer.body) // PIECES))
        for start in range(0, len(answer.body), size):
            piece = answer.body[start : start + size]
            await self.send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(pause)
        await self.send({"type": "http.response.body", "body": b""})

    async def _write(self, raw: bytes) -> None:
        """Write past ASGI, and give the bytes the time to arrive."""
        self.transport.write(raw)
        await asyncio.sleep(_MOMENT)

    async def _reset(self) -> None:
        """End the connection with RST instead of FIN."""
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()
        await self._gone()

    async def _close(self) -> None:
        self.transport.close()
        await self._gone()

    async def _gone(self) -> None:
        """Wait until the client is gone; only then does the server not answer in our place."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


def _head(answer: Answer, extra: int = 0) -> bytes:
    lines = [b"HTTP/1.1 %d Answer" % answer.status]
    for name, value in answer.header_list():
        told = b"%d" % max(0, int(value) + extra) if name == b"content-length" else value
        lines.append(name + b": " + told)
    return b"\r\n".join(lines) + b"\r\n\r\n"
