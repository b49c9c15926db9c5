"""An agent that writes and reads the frames of a server's process itself, and keeps all bytes."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.mcp.conftest import Setup

HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "raw", "version": "1"},
}


@define(eq=False)
class RawAgent:
    """A server's process, and what it has written."""

    process: subprocess.Popen[bytes]
    written: bytearray = field(factory=bytearray)
    _answers: dict[int, queue.Queue[dict[str, Any]]] = field(factory=dict)
    _count: int = 0

    def read_stdout(self, stream: IO[bytes]) -> None:
        for line in stream:
            self.written += line
            message = json.loads(line)
            if "id" in message:
                self._answers[message["id"]].put(message)

    def read_stderr(self, stream: IO[bytes]) -> None:
        for line in stream:
            self.written += line

    def send(self, method: str, params: dict[str, Any]) -> int:
        """Send a request, and return its number."""
        self._count += 1
        self._answers[self._count] = queue.Queue()
        self._write({"id": self._count, "method": method, "params": params})
        return self._count

    def _write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()

    def answer(self, number: int, timeout: float = 60) -> dict[str, Any]:
        """Wait for the answer to a request."""
        return self._answers[number].get(timeout=timeout)

    def hello(self) -> None:
        self.answer(self.send("initialize", HELLO))
        self._write({"method": "notifications/initialized"})

    def call(self, name: str, **arguments: Any) -> int:
        """Call a tool, and return the number of the request."""
        return self.send("tools/call", {"name": name, "arguments": arguments})

    def result(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool, and return its result."""
        result: dict[str, Any] = self.answer(self.call(name, **arguments))["result"]
        return result


@contextmanager
def raw_agent(setup: Setup) -> Iterator[RawAgent]:
    """Run a server, which is killed at the end."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, *setup.words],
        env=setup.environment,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
    ) as process:
        agent = RawAgent(process)
        assert process.stdout is not None
        assert process.stderr is not None
        readers = [
            threading.Thread(target=agent.read_stdout, args=[process.stdout]),
            threading.Thread(target=agent.read_stderr, args=[process.stderr]),
        ]
        for one in readers:
            one.start()
        try:
            agent.hello()
            yield agent
        finally:
            process.kill()
            for one in readers:
                one.join()
