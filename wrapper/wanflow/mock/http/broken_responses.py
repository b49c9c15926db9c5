"""Sends responses with faults of the socket."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.mock.gateway.fault import Fault
    from wanflow.mock.http.connection import Connection
    from wanflow.mock.http.response import Response

CHUNKS = 20
FLUSH_DELAY = 0.05
_LINGER_ZERO = struct.pack("ii", 1, 0)


async def send_broken_response(connection: Connection, response: Response, fault: Fault) -> None:
    """Send a response with a fault of the socket, or none."""
    half = response.body[: len(response.body) // 2]
    match fault.name:
        case "drip":
            await _drip(connection, response, float(fault.value))
        case "reset" | "lost-response":
            await _reset(connection)
        case "empty":
            await _close(connection)
        case "stall":
            await connection.wait_closed()
        case "reset-after-headers":
            await _write(connection, connection.head(response))
            await _reset(connection)
        case "reset-in-body":
            await _write(connection, connection.head(response) + half)
            await _reset(connection)
        case "stall-in-body":
            await _write(connection, connection.head(response) + half)
            await connection.wait_closed()
        case _:
            await _write(
                connection, connection.head(response, extra=int(fault.value)) + response.body
            )
            await _close(connection)


def chunks(body: bytes) -> Iterator[bytes]:
    """Split a body into the chunks of `drip`."""
    size = max(1, -(-len(body) // CHUNKS))
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def _drip(connection: Connection, response: Response, delay: float) -> None:
    _put(connection, connection.head(response))
    for chunk in chunks(response.body):
        _put(connection, chunk)
        await asyncio.sleep(delay)


async def _write(connection: Connection, raw: bytes) -> None:
    """Write, and wait until the bytes have been sent."""
    _put(connection, raw)
    await asyncio.sleep(FLUSH_DELAY)


def _put(connection: Connection, raw: bytes) -> None:
    """Write, unless the client has disconnected."""
    if not connection.transport.is_closing():
        connection.transport.write(raw)


async def _reset(connection: Connection) -> None:
    """Reset the connection (RST instead of FIN)."""
    raw_socket = connection.transport.get_extra_info("socket")
    with suppress(OSError, AttributeError):  # the client has already disconnected
        raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    connection.transport.abort()
    await connection.wait_closed()


async def _close(connection: Connection) -> None:
    connection.transport.close()
    await connection.wait_closed()
