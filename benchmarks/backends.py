"""Compare the backends, and the libraries alone: `python -m benchmarks.backends [TURNS]`.

10,000 tasks are waited for over aiohttp, httpx2 and httpx, by `wait_all` and by as many
`task.wait()`, and the libraries alone send as many GETs, 100 in flight (httpx a fifth: it is slow).
Medians of some turns, of the process's own CPU time, which other programs disturb little.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from contextlib import asynccontextmanager
from importlib import import_module
from statistics import median
from typing import TYPE_CHECKING, Any

import aiohttp
from benchmarks.wrapper import KEY, NEVER, POLLS, RATE, TASKS, server

from wanflow import AsyncClient
from wanflow._http_library import HTTP_LIBRARY_VARIABLE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    Get = Callable[[int], Awaitable[object]]

IN_FLIGHT = 100
BACKENDS = ("aiohttp", "httpx2", "httpx")
WAITS = ("wait_all", "task.wait()")
_AIOHTTP = "wanflow._transport.aiohttp_backend"


async def alone(library: str, url: str) -> float:
    """Return the microseconds of CPU of a GET by a library alone."""
    requests = TASKS // 5 if library == "httpx" else TASKS
    if library == "aiohttp":
        connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def by_aiohttp(index: int) -> object:
                async with session.get(f"{url}/v1/tasks/task-{index}") as response:
                    return await response.json()

            return await _cpu(by_aiohttp, requests)
    module: Any = import_module(library)
    limits = module.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    async with module.AsyncClient(limits=limits, trust_env=False) as client:

        async def by_client(index: int) -> object:
            return (await client.get(f"{url}/v1/tasks/task-{index}")).json()

        return await _cpu(by_client, requests)


async def _cpu(get: Get, requests: int) -> float:
    async def several(count: int) -> None:
        for index in range(count):
            await get(index)

    await asyncio.gather(*(several(3) for _ in range(IN_FLIGHT)))
    begun = time.process_time()
    await asyncio.gather(*(several(requests // IN_FLIGHT) for _ in range(IN_FLIGHT)))
    return (time.process_time() - begun) / requests * 1e6


async def waited(how: str, url: str) -> tuple[float, float]:
    """Return the microseconds of CPU of a poll, and the longest wait for a connection in ms."""
    async with AsyncClient(KEY, url, max_polls_per_second=RATE) as client:
        longest = _timed_pool(client)
        await client.task("task-warm").refresh()
        gc.collect()
        names = [f"task-{index}" for index in range(TASKS)]
        begun = time.process_time()
        if how == "wait_all":
            await client.wait_all(names, timeout=600)
        else:
            await asyncio.gather(*(client.task(name).wait(600) for name in names))
        return (time.process_time() - begun) / (TASKS * POLLS) * 1e6, longest[0] * 1000


def _timed_pool(client: AsyncClient) -> list[float]:
    pool: object = client
    for name in ("_driver", "_transport", "_api"):
        pool = _attribute(pool, name)
    acquire: Callable[[float], AbstractAsyncContextManager[object]] = _attribute(pool, "acquire")
    longest = [0.0]

    @asynccontextmanager
    async def timed(timeout: float) -> AsyncGenerator[object]:
        begun = time.perf_counter()
        async with acquire(timeout) as backend:
            longest[0] = max(longest[0], time.perf_counter() - begun)
            yield backend

    vars(pool)["acquire"] = timed
    return longest


def _attribute(of: object, name: str) -> Any:
    return getattr(of, name)


def select(backend: str) -> None:
    """Let clients use a backend."""
    if backend == "aiohttp":
        sys.modules.pop(_AIOHTTP, None)
        return
    os.environ[HTTP_LIBRARY_VARIABLE] = backend
    sys.modules[_AIOHTTP] = None  # type: ignore[assignment]


def main(turns: int) -> None:
    """Measure each in turns, and print medians and their ratios to aiohttp alone."""
    found: dict[str, list[float]] = {}
    longest: dict[str, float] = {}
    for _ in range(turns):
        for library in BACKENDS:
            with server(NEVER) as url:
                found.setdefault(f"{library} alone", []).append(asyncio.run(alone(library, url)))
            select(library)
            for how in WAITS:
                name = f"{how} over {library}"
                with server(POLLS) as url:
                    cpu, wait = asyncio.run(waited(how, url))
                found.setdefault(name, []).append(cpu)
                longest[name] = max(wait, longest.get(name, 0.0))
    bare = median(found["aiohttp alone"])
    for name, times in found.items():
        waits = f"; longest wait for a connection {longest[name]:.0f} ms" if name in longest else ""
        print(f"{name:<26}{median(times):7.0f} µs of CPU{median(times) / bare:7.1f} x{waits}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
