"""What can go wrong with an answer on a socket, as its client sees it."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.mock.gateway.fault import Fault
    from wanflow.mock.http.response import Response

PIECES = 20
FLUSH_DELAY = 0.05
_AT_ONCE = struct.pack("ii", 1, 0)


class BrokenConnection(Protocol):
    """A connection to one client, as faults need it."""

    transport: asyncio.Transport

    def head(self, answer: Response, extra: int = 0) -> bytes:
        """Write an answer's head; Content-Length says `extra` bytes more than there are."""
        ...

    async def wait_closed(self) -> None:
        """Wait until the client is gone."""
        ...


async def send_broken_response(line: BrokenConnection, answer: Response, fault: Fault) -> None:
    """Send an answer with a fault of the wire, or none at all."""
    half = answer.body[: len(answer.body) // 2]
    match fault.name:
        case "drip":
            await _drip(line, answer, float(fault.value))
        case "reset" | "lost-response":
            await _reset(line)
        case "empty":
            await _close(line)
        case "stall":
            await line.wait_closed()
        case "reset-after-headers":
            await _write(line, line.head(answer))
            await _reset(line)
        case "reset-in-body":
            await _write(line, line.head(answer) + half)
            await _reset(line)
        case "stall-in-body":
            await _write(line, line.head(answer) + half)
            await line.wait_closed()
        case _:
            await _write(line, line.head(answer, extra=int(fault.value)) + answer.body)
            await _close(line)


def chunks(body: bytes) -> Iterator[bytes]:
    """Cut a body into the pieces of a drip."""
    size = max(1, -(-len(body) // PIECES))
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def _drip(line: BrokenConnection, answer: Response, pause: float) -> None:
    _put(line, line.head(answer))
    for piece in chunks(answer.body):
        _put(line, piece)
        await asyncio.sleep(pause)


async def _write(line: BrokenConnection, raw: bytes) -> None:
    """Write, and give the bytes the time to arrive."""
    _put(line, raw)
    await asyncio.sleep(FLUSH_DELAY)


def _put(line: BrokenConnection, raw: bytes) -> None:
    """Write, unless the client has left meanwhile."""
    if not line.transport.is_closing():
        line.transport.write(raw)


async def _reset(line: BrokenConnection) -> None:
    """End the connection with RST instead of FIN."""
    connection = line.transport.get_extra_info("socket")
    with suppress(OSError, AttributeError):  # its client was quicker
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    line.transport.abort()
    await line.wait_closed()


async def _close(line: BrokenConnection) -> None:
    line.transport.close()
    await line.wait_closed()
