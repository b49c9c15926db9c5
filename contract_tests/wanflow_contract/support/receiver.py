"""A receiver of callbacks: responds with chosen statuses, and returns what it received."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from typing import Any, Self

from attrs import field, frozen


@frozen
class Delivery:
    """One callback: its path, headers with lower-case names, and decoded body (None: not JSON).

    `at` is when it arrived, in seconds of a clock of this process.
    """

    path: str
    headers: dict[str, str] = field(repr=False)
    body: Any
    at: float = field(factory=time.monotonic, eq=False)


class Receiver:
    """A server on loopback, used as a context manager; `url` is its address.

    `public` is a public URL that forwards to it, if there is one.
    """

    def __init__(self, port: int = 0, public: str | None = None) -> None:
        self._received: dict[str, Queue[Delivery]] = {}
        self._statuses: dict[str, list[int]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.url = public or f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def address(self, name: str, *statuses: int) -> str:
        """Return a new URL that responds with these statuses in turn, then with 200."""
        self._statuses[f"/{name}"] = list(statuses)
        self._received[f"/{name}"] = Queue()
        return f"{self.url.rstrip('/')}/{name}"

    def next(self, name: str, seconds: float) -> Delivery | None:
        """Return the next callback to a URL, None if none arrives in time."""
        try:
            return self._received[f"/{name}"].get(timeout=seconds)
        except Empty:
            return None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                name = "/" + self.path.rpartition("/")[2]
                status = receiver.receive(name, dict(self.headers.items()), content)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Stay silent."""

        return Handler

    def receive(self, path: str, headers: dict[str, str], content: bytes) -> int:
        """Store a callback and return the status to respond with."""
        if path not in self._received:
            return 404
        try:
            body = json.loads(content)
        except ValueError:
            body = None
        lower = {name.lower(): value for name, value in headers.items()}
        self._received[path].put(Delivery(path, lower, body))
        statuses = self._statuses[path]
        return statuses.pop(0) if statuses else 200
