"""A local web site for tests, whose pages change, move, fail and disappear."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

from attrs import define, field

if TYPE_CHECKING:
    from types import TracebackType


@define
class Page:
    """The response for a path; an `endless` one never stops sending."""

    body: bytes = b""
    status: int = 200
    etag: str = ""
    kind: str = "text/markdown"
    location: str = ""
    endless: bool = False


@define
class Site:
    """Serves its pages on a free port, and records the requests."""

    pages: dict[str, Page] = field(factory=dict[str, Page])
    asked: list[tuple[str, dict[str, str]]] = field(factory=list[tuple[str, dict[str, str]]])
    _server: ThreadingHTTPServer = field(init=False)
    ended: threading.Event = field(factory=threading.Event)

    def __enter__(self) -> Self:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()

    def url(self, path: str) -> str:
        """The URL of a page."""
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def put(self, path: str, text: str, **more: str) -> str:
        """Publish a page; return its URL."""
        self.pages[path] = Page(text.encode(), **more)
        return self.url(path)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Respond to one request."""
        self.asked.append((handler.path, {k.lower(): v for k, v in handler.headers.items()}))
        page = self.pages.get(handler.path, Page(status=404))
        if page.etag and handler.headers.get("If-None-Match") == page.etag:
            handler.send_response(304)
            handler.send_header("ETag", page.etag)
            handler.end_headers()
            return
        handler.send_response(page.status)
        for name, value in (("ETag", page.etag), ("Location", page.location)):
            if value:
                handler.send_header(name, value)
        handler.send_header("Content-Type", page.kind)
        if not page.endless:
            handler.send_header("Content-Length", str(len(page.body)))
        handler.end_headers()
        try:
            handler.wfile.write(page.body)
            while page.endless and not self.ended.wait(0.002):
                handler.wfile.write(b"x")
                handler.wfile.flush()
        except OSError:
            pass
