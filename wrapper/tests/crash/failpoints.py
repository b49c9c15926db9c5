"""Failpoints: a process is killed, or its disk filled, at the nth pass of a named point."""

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
"""The methods of the recorder."""
EXCHANGES = ("submit", "poll", "download")
POINTS = (
    *(f"{side} {name}" for name in (*STEPS, *EXCHANGES) for side in ("before", "after")),
    "within download",
)


def kill() -> None:
    """Kill this process by SIGKILL."""
    os.kill(os.getpid(), signal.SIGKILL)


def fill(folder: Path) -> None:
    """Fill the disk of a directory to the last byte."""
    for size in (4096, 1):
        with (folder / f"filler-{size}").open("wb", buffering=0) as file:
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


class Failpoint:
    """Calls an action when a point is passed for the nth time."""

    def __init__(self, point: str, nth: int, action: Callable[[], None] = kill) -> None:
        self._point = point
        self._left = nth
        self._action = action
        self._lock = Lock()

    def at(self, point: str) -> None:
        """Pass a point."""
        with self._lock:
            self._left -= point == self._point
            if point == self._point and self._left == 0:
                self._action()

    def around(self, name: str, act: Callable[[], Any]) -> Any:
        """Call a function between its two points."""
        self.at(f"before {name}")
        outcome = act()
        self.at(f"after {name}")
        return outcome


def _with_failpoint(name: str) -> Callable[..., Any]:
    def step(self: FailpointLedger, *args: Any, **more: Any) -> Any:
        method = getattr(super(FailpointLedger, self), name)
        return self.failpoint.around(name, lambda: method(*args, **more))

    return step


class FailpointLedger(Ledger):
    """A ledger with a failpoint before and after each of its methods."""

    failpoint: Failpoint


for _name in STEPS:
    setattr(FailpointLedger, _name, _with_failpoint(_name))


class FailpointTransport(httpx.BaseTransport):
    """A transport with a failpoint around each exchange and within each file."""

    def __init__(self, failpoint: Failpoint) -> None:
        self._failpoint = failpoint
        self._real = httpx.HTTPTransport(trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return the response."""
        has_key = "authorization" in request.headers
        kind = "submit" if request.method == "POST" else "poll" if has_key else "download"
        response = self._failpoint.around(kind, lambda: self._real.handle_request(request))
        if kind == "download":
            response.stream = _FailpointStream(response.stream, self._failpoint)
        return response

    def close(self) -> None:
        """Close the connections."""
        self._real.close()


class _FailpointStream(httpx.SyncByteStream):
    def __init__(self, stream: Any, failpoint: Failpoint) -> None:
        self._stream = stream
        self._failpoint = failpoint

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            yield chunk[: len(chunk) // 2]
            self._failpoint.at("within download")
            yield chunk[len(chunk) // 2 :]

    def close(self) -> None:
        self._stream.close()
