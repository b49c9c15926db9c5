"""Measure the mock against a raw ASGI echo, and against Prism and aimock where they are.

`python benchmarks/mock_throughput.py [--seconds 5] [--rounds 3] [--million]` needs wrk
(apt install wrk). Prism (npm, @stoplight/prism-cli) is taken from PATH or WANFLOW_PRISM; aimock
(npm, @copilotkit/aimock: its program `llmock`) from PATH or WANFLOW_AIMOCK, and is asked for its
nearest like, xAI's asynchronous videos. All run one after another on this machine, in turns, so
that what else it does meets them alike: the ratios count, not the figures. With 32 connections no
server can answer sooner than 32 / its rate in the mean, so that is printed beside each p99.
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
from typing import TYPE_CHECKING, NamedTuple

import httpx

from wanflow.catalog.catalog import packaged_catalog

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
MIXED = """
    local turn, task = 0, nil
    function request()
      turn = turn + 1
      if turn % 3 == 0 and task then return wrk.format("GET", "/apiv1/v1/tasks/" .. task) end
      return wrk.format()
    end
    function response(status, headers, body)
      if turn % 50 == 0 then task = body:match('"id":"(task%-[^"]+)"') or task end
    end
"""
CONNECTIONS = 32
AIMOCK = {
    "match": {"userMessage": MODEL.example["prompt"], "endpoint": "video"},
    "response": {
        "video": {"id": "v", "status": "completed", "url": "https://files.example.com/v.mp4"}
    },
}


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
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--latency"]
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


class Server(NamedTuple):
    """How to run a server, and what to ask it for."""

    command: list[str]
    port: int
    submit: str
    tasks: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def task(self) -> str:
        """Submit once and return the path of the task's status."""
        headers = {"Authorization": f"Bearer {KEY}"}
        made = httpx.post(self.url + self.submit, json=MODEL.example, headers=headers).json()
        name = made.get("id") or made.get("request_id") or "task-unified-1756817821-4x3rx6ny"
        return self.tasks + str(name)


def servers(folder: Path) -> dict[str, Server]:
    """Return every server that is to be had here."""
    port = free_port()
    (folder / "echo.py").write_text(textwrap.dedent(ECHO))
    found = {"echo": Server([sys.executable, str(folder / "echo.py"), str(port)], port, "/", "/")}
    port = free_port()
    command = [sys.executable, "-m", "wanflow", "mock", "--port", str(port), "--polls", "2"]
    found["mock"] = Server(command, port, "/apiv1" + MODEL.path, "/apiv1/v1/tasks/")
    prism = os.environ.get("WANFLOW_PRISM") or shutil.which("prism")
    if prism:
        port, spec = free_port(), folder / "openapi.json"
        spec.write_text(json.dumps(CATALOG.document))
        command = [prism, "-v", "silent", "mock", str(spec), "--port", str(port)]
        found["prism"] = Server(command, port, MODEL.path, "/v1/tasks/")
    aimock = os.environ.get("WANFLOW_AIMOCK") or shutil.which("llmock")
    if aimock:
        port, fixtures = free_port(), folder / "aimock.json"
        fixtures.write_text(json.dumps({"fixtures": [AIMOCK]}))
        command = [aimock, "-p", str(port), "-f", str(fixtures), "--log-level", "silent"]
        found["aimock"] = Server(command, port, "/v1/videos/generations", "/v1/videos/")
    return found


def round_of(name: str, server: Server, seconds: float, script: Path) -> None:
    """Measure one server once and print what was seen."""
    with serving(server.command, server.port):
        post = wrk(server.url + server.submit, seconds, script)
        get = wrk(server.url + server.task(), seconds)
    print(
        *(
            f"{what} {rate:8.0f}/s p99 {p99:7.2f} ms (mean at least {CONNECTIONS / rate * 1e3:.2f})"
            for what, (rate, p99) in ((f"{name:6} POST", post), (" GET", get))
        ),
        flush=True,
    )
    SEEN.setdefault(name, []).append((*post, *get))


SEEN: dict[str, list[tuple[float, float, float, float]]] = {}


def start_up(rounds: int) -> None:
    """Print how long it takes from the process to its first answer."""
    taken = []
    for _ in range(rounds * 3):
        port, begun = free_port(), time.perf_counter()
        with serving([sys.executable, "-m", "wanflow", "mock", "--port", str(port)], port):
            taken.append(time.perf_counter() - begun)
    print(f"mock   first answer after {median(taken):.2f} s (slowest {max(taken):.2f} s)")


def million(server: Server, script: Path) -> None:
    """Print the memory during a million submissions, each third request a poll of a task."""
    with serving(server.command, server.port) as process:
        before, sent = memory(process.pid), 0.0
        highest = before
        while sent < 1_500_000:
            sent += 20 * wrk(server.url + server.submit, 20, script)[0]
            highest = max(highest, memory(process.pid))
        print(
            f"mock   memory {before:.0f} MiB at first, at most {highest:.0f} in {sent:.0f} requests"
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
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        script = folder / "post.lua"
        script.write_text(textwrap.dedent(POST))
        mixed = folder / "mixed.lua"
        mixed.write_text(textwrap.dedent(POST + MIXED))
        found = servers(folder)
        for _ in range(options.rounds):
            for name, server in found.items():
                round_of(name, server, options.seconds, script)
        start_up(options.rounds)
        if options.million:
            million(found["mock"], mixed)
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
