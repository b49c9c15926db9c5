"""`/metrics` and `/healthz`: what a supervisor asks of a worker."""

from __future__ import annotations

import asyncio

import pytest

from wanflow.queue.health import serve_metrics
from wanflow.queue.metrics import Metrics


async def status_of(request: str, metrics: Metrics) -> str:
    """Return the status of the response to the first line of a request."""
    async with serve_metrics(metrics, "127.0.0.1", 0) as address:
        assert address is not None
        reader, writer = await asyncio.open_connection(*address)
        writer.write(f"{request} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
    return line.decode().partition(" ")[2].strip()


@pytest.mark.parametrize(
    ("request_line", "up", "status"),
    [
        ("GET /healthz", 1, "200 OK"),
        ("HEAD /healthz?x=1", 1, "200 OK"),
        ("GET /healthz", 0, "503 Service Unavailable"),
        ("GET /metrics", 0, "200 OK"),
        ("GET /", 1, "404 Not Found"),
        ("POST /healthz", 1, "405 Method Not Allowed"),
    ],
)
def test_a_worker_is_healthy_while_it_reaches_its_database(
    request_line: str, up: int, status: str
) -> None:
    metrics = Metrics()
    metrics.set("database_up", up)
    assert asyncio.run(status_of(request_line, metrics)) == status
