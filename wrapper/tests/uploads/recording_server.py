"""An HTTP server that records requests, accepts PUT, and knows no object."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from attrs import define, field, frozen


@frozen
class Recorded:
    """One request."""

    method: str
    path: str
    headers: str
    body: bytes


@define
class RecordingServer:
    """Answers PUT with 200, and everything else with 404; `broken` closes the connection."""

    requests: list[Recorded] = field(factory=list[Recorded])
    broken: bool = False
    url: str = ""
    _server: Any = None

    def puts(self) -> list[Recorded]:
        """The uploads."""
        return [one for one in self.requests if one.method == "PUT"]

    def __enter__(self) -> Self:
        this = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                size = int(self.headers.get("content-length", 0))
                body = self.rfile.read(size // 2 if this.broken else size)
                this.requests.append(Recorded(self.command, self.path, str(self.headers), body))
                if this.broken:
                    self.close_connection = True
                    return
                self.send_response(200 if self.command in {"PUT", "POST"} else 404)
                self.send_header("etag", '"e"')
                self.send_header("content-length", "0")
                self.end_headers()

            do_PUT = do_GET = do_HEAD = do_POST = do_DELETE = handle_any  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
