"""Storages that answer with an error or never, and the sentences that errors come to."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

# By kind: the status (none: nothing listens), the code of S3, and what the error says.
ERRORS: dict[str, tuple[int | None, str, str]] = {
    "no bucket": (404, "NoSuchBucket", "there is no such bucket or container; it responded with"),
    "no permission": (403, "AccessDenied", r"the credentials don't allow it; .* 403 \(AccessDenie"),
    "expired": (400, "ExpiredToken", "the credentials have expired; it responded with 400"),
    "wrong key": (403, "InvalidAccessKeyId", "the credentials are not valid; it responded with"),
    "quota": (403, "QuotaExceeded", r"403 \(QuotaExceeded\)"),
    "network": (None, "", "it can't be reached"),
}


class ErrorServer:
    """Answers each request with an error; the first `allowed` uploads and deletions succeed."""

    def __init__(self, status: int | None, code: str, allowed: int = 0) -> None:
        self.url = "http://127.0.0.1:1"
        self._server: Any = None
        self._answer, self._left = (status, code), allowed

    def __enter__(self) -> Self:
        status, code = self._answer
        if status is None:
            return self
        this = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                allowed, this._left = this._left > 0, this._left - 1
                content = b"" if allowed else f"<Error><Code>{code}</Code></Error>".encode()
                self.send_response(200 if allowed else status)
                self.send_header("etag", '"e"')
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_PUT = do_GET = do_HEAD = do_POST = do_DELETE = handle_any  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


@contextmanager
def silent_server() -> Iterator[tuple[str, threading.Event]]:
    """A server that takes a connection, and never answers."""
    accepted = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        kept: list[socket.socket] = []

        def accept() -> None:
            with_one = listening.accept()[0]
            kept.append(with_one)
            with_one.recv(1)
            accepted.set()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", accepted
        thread.join()
        for one in kept:
            one.close()
