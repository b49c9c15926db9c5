"""A receiver of callbacks: answers what it is told to, and hands out what came."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from typing import Any, Self

from attrs import field, frozen


@frozen
class Delivery:
    """One callback: its path, its headers in lower case, and its decoded body (None: no JSON)."""

    path: str
    headers: dict[str, str] = field(repr=False)
    body: Any


class Receiver:
    """Listens on loopback from `with` to its end; `url` is where callbacks are to be sent.

    `public` is a URL that leads here from outside, where there is one.
    """

    def __init__(self, port: int = 0, public: str | None = None) -> None:
        self._came: dict[str, Queue[Delivery]] = {}
        self._answers: dict[str, list[int]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.url = public or f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def address(self, name: str, *answers: int) -> str:
        """Return a URL of its own, which answers with these statuses one by one, then with 200."""
        self._answers[f"/{name}"] = list(answers)
        self._came[f"/{name}"] = Queue()
        return f"{self.url.rstrip('/')}/{name}"

    def next(self, name: str, seconds: float) -> Delivery | None:
        """Return the next callback for a URL, None where none comes in time."""
        try:
            return self._came[f"/{name}"].get(timeout=seconds)
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
                status = receiver.take(name, dict(self.headers.items()), content)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Stay silent."""

        return Handler

    def take(self, path: str, headers: dict[str, str], content: bytes) -> int:
        """Keep a callback and return the status to answer with."""
        if path not in self._came:
            return 404
        try:
            body = json.loads(content)
        except ValueError:
            body = None
        lower = {name.lower(): value for name, value in headers.items()}
        self._came[path].put(Delivery(path, lower, body))
        answers = self._answers[path]
        return answers.pop(0) if answers else 200
