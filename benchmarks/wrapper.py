"""What the wrapper costs: `python -m benchmarks.wrapper [imports] [poll] [waits]`.

Ratios in one run, each a median of several. The server runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
import tracemalloc
from contextlib import asynccontextmanager, contextmanager
from statistics import median
from typing import TYPE_CHECKING

import httpx
from benchmarks.bytecode import kept_bytecode

from wanflow import AsyncClient, Client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

KEY = "a-key-of-the-benchmark"
NEVER = 10**9


@contextmanager
def server(ended_at: int) -> Iterator[str]:
    """Serve tasks that end at their poll number `ended_at` → the URL."""
    command = [sys.executable, "-m", "benchmarks.status_server", str(ended_at)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def imports() -> None:
    """Compare whole processes, taking turns."""
    with server(NEVER) as url:
        codes = {"nothing": "", "import wanflow": "import wanflow", "import httpx": "import httpx"}
        codes["from wanflow import Client"] = "from wanflow import Client"
        codes["httpx, first POST"] = _POST.format(url=url)
        codes["wanflow, first submit"] = _SUBMIT.format(key=KEY, url=url)
        times = _medians(codes)
    for name, value in times.items():
        print(f"{name:<30}{value:8.1f} ms")
    bare = times["nothing"]
    client = times["from wanflow import Client"]
    print(f"import wanflow above the interpreter: {times['import wanflow'] - bare:.1f} ms")
    print(f"Client / httpx, whole processes: {client / times['import httpx']:.2f}")
    above = (client - bare) / (times["import httpx"] - bare)
    print(f"Client / httpx, above the interpreter: {above:.2f}")
    first = times["wanflow, first submit"] / times["httpx, first POST"]
    print(f"first submit / first POST of httpx, whole processes: {first:.2f}")


_POST = """
import httpx
with httpx.Client() as client:
    client.post("{url}/v1/videos/generations", json={{"prompt": "a cat"}}).json()
"""
_SUBMIT = """
from wanflow import Client
with Client("{key}", "{url}") as client:
    client.submit(model="wan2.5-text-to-video", prompt="a cat")
"""


def _medians(codes: dict[str, str]) -> dict[str, float]:
    """Run programs in turns → the milliseconds of each; the first turn only compiles."""
    taken: dict[str, list[float]] = {name: [] for name in codes}
    with kept_bytecode() as environment:
        for turn in range(22):
            for name, code in codes.items():
                begun = time.perf_counter()
                subprocess.run([sys.executable, "-c", code], check=True, env=environment)
                if turn:
                    taken[name].append((time.perf_counter() - begun) * 1000)
    return {name: median(all_) for name, all_ in taken.items()}


def cpu_of(action: Callable[[], object], times: int) -> float:
    """Return the microseconds of CPU that an action takes, of this process alone."""
    begun = time.process_time()
    for _ in range(times):
        action()
    return (time.process_time() - begun) / times * 1e6


def poll() -> None:
    """Compare a poll through the wrapper with the same GET by a reused httpx client."""
    with server(NEVER) as url, Client(KEY, url) as client, httpx.Client() as bare:
        task = client.task("task-unified-1760000000-abcd1234")
        headers = {"authorization": f"Bearer {KEY}", "accept": "application/json"}

        def by_httpx() -> object:
            return bare.get(f"{url}/v1/tasks/{task.id}", headers=headers).json()

        ratios, ours, theirs = [], [], []
        for turn in range(12):
            one, other = cpu_of(task.refresh, 400), cpu_of(by_httpx, 400)
            if turn:
                ours, theirs = [*ours, one], [*theirs, other]
                ratios.append(one / other)
        print(f"task.refresh(): {median(ours):.0f} µs of CPU; httpx: {median(theirs):.0f} µs")
        print(f"ratio: {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


TASKS = 10_000
POLLS = 2
RATE = 500


def waits() -> None:
    """Wait for 10,000 tasks concurrently, by `wait_all` and by as many `task.wait()`."""
    bare = asyncio.run(_by_aiohttp())
    print(f"aiohttp alone, 100 in flight: {bare:.0f} µs of CPU a GET")
    for name, waited in (("10,000 x task.wait()", _by_waits), ("wait_all", _by_wait_all)):
        with server(POLLS) as url:
            taken, cpu, peak = asyncio.run(_measured(url, waited))
        each = cpu / (TASKS * POLLS) * 1e6
        print(f"{name}: all {TASKS} ended in {taken:.1f} s; {each:.0f} µs of CPU a poll,")
        print(
            f"  {each / bare:.1f} x aiohttp's; longest wait for a connection {peak * 1000:.0f} ms"
        )
    with server(NEVER) as url:
        print(f"memory of a waiting task: {asyncio.run(_memory(url, _by_waits)):.1f} KiB (wait)")
        print(f"memory of a waiting task: {asyncio.run(_memory(url, _by_wait_all)):.1f} KiB (all)")


async def _by_aiohttp() -> float:
    import aiohttp  # noqa: PLC0415 - of this comparison only

    with server(NEVER) as url:
        connector = aiohttp.TCPConnector(limit=100)
        async with aiohttp.ClientSession(connector=connector) as session:
            in_flight = asyncio.Semaphore(100)

            async def get(index: int) -> None:
                async with in_flight, session.get(f"{url}/v1/tasks/task-{index}") as response:
                    await response.json()

            await asyncio.gather(*map(get, range(500)))
            begun = time.process_time()
            await asyncio.gather(*map(get, range(TASKS)))
            return (time.process_time() - begun) / TASKS * 1e6


def _client(url: str) -> AsyncClient:
    return AsyncClient(KEY, url, max_polls_per_second=RATE)


async def _by_wait_all(client: AsyncClient) -> object:
    return await client.wait_all([f"task-{index}" for index in range(TASKS)], timeout=600)


async def _by_waits(client: AsyncClient) -> object:
    tasks = [client.task(f"task-{index}") for index in range(TASKS)]
    return await asyncio.gather(*(task.wait(600) for task in tasks))


async def _measured(url: str, waited: Callable[..., object]) -> tuple[float, float, float]:
    async with _client(url) as client:
        longest = _timed_pool(client)
        await client.task("task-warm").refresh()
        gc.collect()
        begun, cpu = time.perf_counter(), time.process_time()
        await waited(client)  # type: ignore[misc]
        taken = time.perf_counter() - begun, time.process_time() - cpu
        return *taken, longest[0]


def _timed_pool(client: AsyncClient) -> list[float]:
    """Record the longest time that a request waits for a connection → in seconds, in a list."""
    pool = vars(vars(vars(client)["_driver"])["_transport"])["_api"]
    acquire, longest = pool.acquire, [0.0]

    @asynccontextmanager
    async def timed(timeout: float) -> AsyncIterator[httpx.AsyncClient]:
        begun = time.perf_counter()
        async with acquire(timeout) as http:
            longest[0] = max(longest[0], time.perf_counter() - begun)
            yield http

    pool.acquire = timed
    return longest


async def _memory(url: str, waited: Callable[..., object]) -> float:
    async with _client(url) as client:
        await client.task("task-warm").refresh()
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        waiting = asyncio.ensure_future(waited(client))  # type: ignore[arg-type]
        await asyncio.sleep(30)
        gc.collect()
        used = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return used / TASKS / 1024


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["imports", "poll", "waits"]
    for name in wanted:
        globals()[name]()
