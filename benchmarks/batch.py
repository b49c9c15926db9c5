"""Ten thousand jobs: `python -m benchmarks.batch [JOBS] [PROCESSES]`.

A batch against the mock, and the bound that the mock sets: the same numbers of submissions, polls
and files, by a client that does nothing but send bytes. Both run one after another, each against a
fresh mock in a process of its own. Several processes share the ledger; each has a part of the jobs,
and a folder of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import define

from wanflow import AsyncClient
from wanflow.catalog.catalog import packaged_catalog
from wanflow.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from wanflow.batch import Report
    from wanflow.ledger import File

KEY = "a-key-of-the-benchmark"
TASK_SECONDS = 20.0
IN_FLIGHT, CONNECTIONS = 10_000, 32
MODEL = next(
    one
    for one in packaged_catalog().models.values()
    if one.kind == "image" and len(one.required) < 3
)
PATHS = {one.operation_id: one.path for one in packaged_catalog().operations}


@contextmanager
def server(seconds: float) -> Generator[tuple[str, Callable[[], dict[str, int]]]]:
    """Serve the mock; yield its URL and a function that reads its counts."""
    words = [sys.executable, "-m", "benchmarks.batch_server", str(seconds)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def counts() -> dict[str, int]:
            stdin.write("\n")
            stdin.flush()
            found: dict[str, int] = json.loads(stdout.readline())
            return found

        try:
            yield stdout.readline().strip(), counts
        finally:
            stdin.close()


def jobs_of(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Return jobs that differ in their prompts."""
    return [
        {**MODEL.example, "prompt": f"a red fox in the snow, golden hour, take {number}"}
        for number in range(first, first + count)
    ]


async def do_batch(url: str, count: int, folder: Path, first: int = 0) -> Report:
    """Do a batch, and return its report."""
    with Ledger(folder / "ledger.db") as ledger:
        async with AsyncClient(
            KEY, url, max_polls_per_second=10_000, max_connections=CONNECTIONS, ledger=ledger
        ) as client:
            return await client.batch(
                jobs_of(count, first), folder / f"out{first}", max_concurrency=IN_FLIGHT
            )


@define
class Part:
    """What a process did: its files, its CPU seconds, and the most memory that it had, in MiB."""

    files: list[File]
    cpu: float
    memory: float


def do_part(url: str, count: int, folder: Path, first: int) -> Part:
    """Do a part of the jobs in this process."""
    begun = time.process_time()
    report = asyncio.run(do_batch(url, count, folder, first))
    assert report.complete, report.counts
    files = [file for one in report.results for file in one.files]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Part(files, time.process_time() - begun, peak)


def do_parts(url: str, count: int, processes: int, folder: Path) -> tuple[list[Part], float]:
    """Do the jobs in some processes, which run already; return also how long it took."""
    sizes = [count // processes + (number < count % processes) for number in range(processes)]
    firsts = [sum(sizes[:number]) for number in range(processes)]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        list(pool.map(time.sleep, [0.5] * processes))  # each imports this module
        begun = time.perf_counter()
        parts = list(pool.map(do_part, [url] * processes, sizes, [folder] * processes, firsts))
        return parts, time.perf_counter() - begun


async def send_bytes(url: str, requests: list[bytes]) -> list[bytes]:
    """Send requests over some connections that are kept alive, and return the bodies."""
    parts = urlsplit(url)
    left = iter(enumerate(requests))
    bodies: dict[int, bytes] = {}

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for number, request in left:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            bodies[number] = await reader.readexactly(length)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return [bodies[number] for number in range(len(requests))]


async def bound(url: str, count: int, polls: int) -> tuple[float, float]:
    """Return the seconds that the bare submissions take, and those of all exchanges."""
    base = urlsplit(url)
    common = f"Host: {base.netloc}\r\nAuthorization: Bearer {KEY}\r\n"

    def request(method: str, path: str, body: bytes = b"") -> bytes:
        head = f"{method} {path} HTTP/1.1\r\n{common}Content-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    posts = [json.dumps(job).encode() for job in jobs_of(count)]
    begun = time.perf_counter()
    submit = base.path + MODEL.path
    answers = await send_bytes(url, [request("POST", submit, body) for body in posts])
    ids = [json.loads(answer)["id"] for answer in answers]
    posted = time.perf_counter() - begun
    query = base.path + PATHS["getTaskDetail"]
    # Until the tasks have ended, which their time and not the mock's speed decides.
    await asyncio.sleep(TASK_SECONDS)
    begun = time.perf_counter()
    asked = [ids[number % count] for number in range(polls)]
    answers = await send_bytes(
        url, [request("GET", query.replace("{task_id}", task_id)) for task_id in asked]
    )
    links: list[str] = [json.loads(answer)["results"][0] for answer in answers[:count]]
    await send_bytes(url, [request("GET", urlsplit(link).path) for link in links])
    return posted, posted + time.perf_counter() - begun


def main(count: int, processes: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with server(TASK_SECONDS) as (url, read_counts):
            parts, taken = do_parts(url, count, processes, folder)
            counts = read_counts()
        files = [file for part in parts for file in part.files]
        right = sum(sha256(f.path.read_bytes()).hexdigest() == f.sha256 for f in files)
        size = (folder / "ledger.db").stat().st_size / count
    with server(TASK_SECONDS) as (url, _):
        posted, bare = asyncio.run(bound(url, count, max(counts["polls"], count)))
    # Nobody is done before the last task is, nor before all exchanges are. One who waits for the
    # tasks only when all are sent, and polls only when all have ended, takes the sum.
    whole, in_turn = max(posted + TASK_SECONDS, bare), bare + TASK_SECONDS
    print(f"jobs {count}, processes {processes}, files right {right}, charged {counts['tasks']}")
    print(f"polls a job {counts['polls'] / count:.2f}")
    print(f"batch {taken:.1f} s; exchanges {bare:.1f} s, {posted:.1f} of them submissions")
    print(f"bound {whole:.1f} s, batch / bound {taken / whole:.2f}")
    print(f"one after another {in_turn:.1f} s, batch / that {taken / in_turn:.2f}")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{sum(part.cpu for part in parts) / count * 1000:.2f} ms of CPU a job")
    peak = max(part.memory for part in parts)
    print(f"peak memory {peak:.0f} MiB a process; ledger {size:.0f} bytes a job")


if __name__ == "__main__":
    main(*(int(word) for word in [*sys.argv[1:], *["10000", "1"][len(sys.argv) - 1 :]]))
