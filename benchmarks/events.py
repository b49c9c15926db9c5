"""What seeing costs: `python -m benchmarks.events`.

The CPU of a poll with a consumer of events, against the same poll without, in turns of one run, by
the time of this process. The server runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import time
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.wrapper import KEY, NEVER, cpu_of, server
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from wanflow import AsyncClient, Client
from wanflow.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow.events import Event

TASK = "task-unified-1760000000-abcd1234"
TURNS, POLLS = 81, 100


def telemetry() -> Telemetry:
    """Return a Telemetry with the SDK's providers, in memory."""
    spans, meter = TracerProvider(), MeterProvider([InMemoryMetricReader()])
    spans.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    return Telemetry(tracer_provider=spans, meter_provider=meter)


def nothing(event: Event) -> None:
    """Take an event."""


CONSUMERS: dict[str, Callable[[], Any]] = {
    "on_event that does nothing": lambda: nothing,
    "Telemetry, with the SDK": telemetry,
}


def report(name: str, ratios: list[float], without: list[float]) -> None:
    """Print the median ratio, and the CPU without."""
    print(
        f"{name:<48}{median(ratios):6.3f} times {median(without):5.0f} µs "
        f"({min(ratios):.3f} to {max(ratios):.3f})"
    )


def by_sync(url: str, name: str, on_event: Any) -> None:
    """Compare polls of a sync client."""
    with Client(KEY, url) as plain, Client(KEY, url, on_event=on_event) as watched:
        ratios, without = [], []
        for turn in range(TURNS):
            one = cpu_of(plain.task(TASK).refresh, POLLS)
            other = cpu_of(watched.task(TASK).refresh, POLLS)
            if turn:
                ratios.append(other / one)
                without.append(one)
        report(f"Client, {name}", ratios, without)


def by_async(url: str, name: str, on_event: Any) -> None:
    """Compare polls of an async client, which uses aiohttp where it is installed."""

    async def cpu(client: AsyncClient) -> float:
        task = client.task(TASK)
        begun = time.process_time()
        for _ in range(POLLS):
            await task.refresh()
        return (time.process_time() - begun) / POLLS * 1e6

    async def compare() -> None:
        async with AsyncClient(KEY, url) as plain, AsyncClient(KEY, url, on_event=on_event) as seen:
            ratios, without = [], []
            for turn in range(TURNS):
                one, other = await cpu(plain), await cpu(seen)
                if turn:
                    ratios.append(other / one)
                    without.append(one)
            report(f"AsyncClient, {name}", ratios, without)

    asyncio.run(compare())


def main() -> None:
    """Compare each consumer, sync and async."""
    with server(NEVER) as url:
        for name, make in CONSUMERS.items():
            by_sync(url, name, make())
            by_async(url, name, make())


if __name__ == "__main__":
    main()
