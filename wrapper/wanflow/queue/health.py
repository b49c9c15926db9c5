"""`/metrics` and `/healthz` of a worker, over plain HTTP."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from wanflow.errors import ConfigurationError
from wanflow.queue.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from wanflow.queue.metrics import Metrics

_TIMEOUT = 5.0
_MAX_HEAD = 16_384


@asynccontextmanager
async def serve_metrics(
    metrics: Metrics, host: str, port: int | None
) -> AsyncGenerator[tuple[str, int] | None]:
    """Serve the metrics in the block, and yield the host and the port; without a port, nothing.

    Raises:
        ConfigurationError: the port can't be used.
    """
    if port is None:
        yield None
        return

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(
            OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError
        ):
            async with asyncio.timeout(_TIMEOUT):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(metrics, head))
                await writer.drain()
        writer.close()

    try:
        server = await asyncio.start_server(respond, host, port, limit=_MAX_HEAD)
    except OSError as error:
        raise ConfigurationError(
            f"metrics can't be served at {host}:{port}: {error.strerror or error}"
        ) from error
    async with server:
        yield server.sockets[0].getsockname()[:2]


def _response(metrics: Metrics, head: bytes) -> bytes:
    line = head.split(b"\r\n", 1)[0].decode("latin-1")
    method, _, rest = line.partition(" ")
    path = rest.partition(" ")[0].partition("?")[0]
    if method not in {"GET", "HEAD"}:
        status, body = "405 Method Not Allowed", "only GET\n"
    elif path == "/metrics":
        status, body = "200 OK", metrics.text()
    elif path == "/healthz":
        up = bool(metrics.value("database_up"))
        status, body = ("200 OK", "ok\n") if up else ("503 Service Unavailable", "no database\n")
    else:
        status, body = "404 Not Found", "GET /metrics or /healthz\n"
    content = body.encode()
    fields = f"content-type: {CONTENT_TYPE}\r\ncontent-length: {len(content)}\r\nconnection: close"
    return f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode() + (
        b"" if method == "HEAD" else content
    )
