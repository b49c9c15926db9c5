"""Measure the mock against a raw ASGI echo on the same server, and against Prism where it is.

`python benchmarks/mock_throughput.py [--seconds 5] [--rounds 3] [--million]` needs wrk
(apt install wrk); Prism is taken from PATH or WANFLOW_PRISM. All run one after another on this
machine, in turns, so that what else it does meets them alike: the ratios count, not the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import httpx

from wanflow.spec.catalog import packaged_catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

CATALOG = packaged_catalog()
MODEL = next(model for model in CATALOG.models.values() if model.required == ("prompt",))
BODY = json.dumps(MODEL.example)
KEY = "bench"
ECHO = """
    import sys, uvicorn

    async def app(scope, receive, send):
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    uvicorn.run(app, port=int(sys.argv[1]), http="httptools", ws="none", lifespan="off",
                access_log=False, server_header=False, log_level="error")
"""
POST = f"""
    wrk.method = "POST"
    wrk.body = [==[{BODY}]==]
    wrk.headers["Content-Type"] = "application/json"
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


@contextmanager
def serving(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; wait until it answers anything at all."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet, env={**os.environ})
    try:
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
                break
            except httpx.ConnectError:
                assert process.poll() is None, command
                time.sleep(0.005)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def wrk(url: str, seconds: float, script: Path | None = None) -> tuple[float, float]:
    """Return requests per second and the 99th percentile in milliseconds."""
    command = ["wrk", "-t1", "-c32", f"-d{seconds:g}s", "--latency"]
    command += ["-H", f"Authorization: Bearer {KEY}", *(("-s", str(script)) if script else ())]
    out = subprocess.run([*command, url], check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in out, out
    found = re.search(r"99%\s+([0-9.]+)(us|ms|s)", out)
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", out)
    assert found
    assert rate
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]
    return float(rate[1]), float(found[1]) * scale


def memory(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+([0-9]+) kB", status)
    assert found
    return int(found[1]) / 1024


def commands(folder: Path) -> dict[str, tuple[list[str], int, str]]:
    """Return each server's command, port and base path."""
    echo, mock = free_port(), free_port()
    (folder / "echo.py").write_text(textwrap.dedent(ECHO))
    found = {
        "echo": ([sys.executable, str(folder / "echo.py"), str(echo)], echo, ""),
        "mock": (
            [sys.executable, "-m", "wanflow.mock", "--port", str(mock), "--looks", "2"],
            mock,
            "/apiv1",
        ),
    }
    prism = os.environ.get("WANFLOW_PRISM") or shutil.which("prism")
    if prism:
        port = free_port()
        spec = folder / "openapi.json"
        spec.write_text(json.dumps(CATALOG.document))
        found["prism"] = ([prism, "-v", "silent", "mock", str(spec), "--port", str(port)], port, "")
    return found


def round_of(name: str, server: tuple[list[str], int, str], seconds: float, script: Path) -> None:
    """Measure one server once and print what was seen."""
    command, port, base = server
    with serving(command, port):
        url = f"http://127.0.0.1:{port}{base}"
        post = wrk(url + MODEL.path, seconds, script)
        created = httpx.post(
            url + MODEL.path, json=MODEL.example, headers={"Authorization": f"Bearer {KEY}"}
        )
        task = created.json().get("id", "task-unified-1756817821-4x3rx6ny")
        get = wrk(f"{url}/v1/tasks/{task}", seconds)
    print(
        f"{name:6} POST {post[0]:8.0f}/s p99 {post[1]:7.2f} ms"
        f"   GET {get[0]:8.0f}/s p99 {get[1]:7.2f} ms"
    )
    SEEN.setdefault(name, []).append((*post, *get))


SEEN: dict[str, list[tuple[float, float, float, float]]] = {}


def start_up(rounds: int) -> None:
    """Print how long it takes from the process to its first answer."""
    taken = []
    for _ in range(rounds * 3):
        port, begun = free_port(), time.perf_counter()
        with serving([sys.executable, "-m", "wanflow.mock", "--port", str(port)], port):
            taken.append(time.perf_counter() - begun)
    print(f"mock   first answer after {median(taken):.2f} s (slowest {max(taken):.2f} s)")


def million(server: tuple[list[str], int, str], script: Path) -> None:
    """Print the memory after a million submissions."""
    command, port, base = server
    with serving(command, port) as process:
        before, sent = memory(process.pid), 0.0
        while sent < 1_000_000:
            sent += 20 * wrk(f"http://127.0.0.1:{port}{base}{MODEL.path}", 20, script)[0]
        print(
            f"mock   memory {before:.0f} MiB at first, {memory(process.pid):.0f} after {sent:.0f}"
        )


def main() -> None:
    """Print each round, then the ratios of the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--million", action="store_true", help="also a million submissions")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("This needs wrk: apt install wrk")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = folder / "post.lua"
        script.write_text(textwrap.dedent(POST))
        servers = commands(folder)
        for _ in range(options.rounds):
            for server, how in servers.items():
                round_of(server, how, options.seconds, script)
        start_up(options.rounds)
        if options.million:
            million(servers["mock"], script)
    middle = {
        name: [median(column) for column in zip(*rows, strict=True)] for name, rows in SEEN.items()
    }
    for other in middle.keys() - {"mock"}:
        post, _, get, _ = (
            mine / its for mine, its in zip(middle["mock"], middle[other], strict=True)
        )
        calm = middle["mock"][1] / middle[other][1], middle["mock"][3] / middle[other][3]
        print(
            f"mock / {other}: POST x{post:.2f}, GET x{get:.2f},"
            f" p99 x{calm[0]:.3f} and x{calm[1]:.3f}"
        )


if __name__ == "__main__":
    main()
