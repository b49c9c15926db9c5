"""Where disaster strikes: at the nth passing of a named point between two steps."""

from __future__ import annotations

import os
import signal
from threading import Lock
from typing import TYPE_CHECKING, Any

import httpx

from wanflow.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STEPS = (
    "record_intent",
    "record_accepted",
    "acquire_task",
    "record_done",
    "record_target_dir",
    "record_files",
)
"""What the recorder is told, and what it writes for each."""
EXCHANGES = ("submit", "look", "fetch")
POINTS = (
    *(f"{side} {name}" for name in (*STEPS, *EXCHANGES) for side in ("before", "after")),
    "within fetch",
)


def kill() -> None:
    """End this process by the signal that nobody can catch."""
    os.kill(os.getpid(), signal.SIGKILL)


def fill(folder: Path) -> None:
    """Fill the disk that a folder is on, to the last byte."""
    for size in (4096, 1):
        with (folder / f"filler-{size}").open("wb", buffering=0) as file:
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


class Tripwire:
    """Lets disaster strike when a point is passed for the nth time."""

    def __init__(self, point: str, nth: int, strike: Callable[[], None] = kill) -> None:
        self._point = point
        self._left = nth
        self._strike = strike
        self._lock = Lock()

    def at(self, point: str) -> None:
        """Pass a point."""
        with self._lock:
            self._left -= point == self._point
            if point == self._point and self._left == 0:
                self._strike()

    def around(self, name: str, act: Callable[[], Any]) -> Any:
        """Do something between its two points."""
        self.at(f"before {name}")
        outcome = act()
        self.at(f"after {name}")
        return outcome


def _wired(name: str) -> Callable[..., Any]:
    def step(self: WiredLedger, *args: Any, **more: Any) -> Any:
        told = getattr(super(WiredLedger, self), name)
        return self.wire.around(name, lambda: told(*args, **more))

    return step


class WiredLedger(Ledger):
    """A ledger with the wire around each of its steps."""

    wire: Tripwire


for _name in STEPS:
    setattr(WiredLedger, _name, _wired(_name))


class WiredTransport(httpx.BaseTransport):
    """The network, with the wire around each exchange and within each file."""

    def __init__(self, wire: Tripwire) -> None:
        self._wire = wire
        self._real = httpx.HTTPTransport(trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send, and hand the answer on."""
        asks = "authorization" in request.headers
        kind = "submit" if request.method == "POST" else "look" if asks else "fetch"
        response = self._wire.around(kind, lambda: self._real.handle_request(request))
        if kind == "fetch":
            response.stream = _Wired(response.stream, self._wire)
        return response

    def close(self) -> None:
        """Close the connections."""
        self._real.close()


class _Wired(httpx.SyncByteStream):
    def __init__(self, stream: Any, wire: Tripwire) -> None:
        self._stream = stream
        self._wire = wire

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            yield chunk[: len(chunk) // 2]
            self._wire.at("within fetch")
            yield chunk[len(chunk) // 2 :]

    def close(self) -> None:
        self._stream.close()
