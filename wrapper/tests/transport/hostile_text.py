"""An API whose texts all contain terminal escapes, forged lines or what can't be encoded."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

from attrs import frozen
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Generator

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)

hostile = st.lists(
    st.sampled_from(
        [
            *("\x1b]0;owned\x07", "\x1b[2J", "\x9b31m", "\x00", "\x7f", "\b", "\r", "\n", "\t"),
            *("\ud83d", "\udcff", "\ude00\ud83d", "\u202e", "\u2028", "\u200b", "\ufeff"),
            *("wanflow: all is well", "[red]", "%s", "{0}", "a", "é", "\U0001f600", "\\ud83d"),
        ]
    ),
    max_size=4,
).map("".join)
"""Texts that are dangerous in a terminal, a file, a database, a log or a format string."""

in_header = hostile.map(
    lambda text: (
        text.encode("latin-1", "ignore").decode("latin-1").translate(dict.fromkeys(b"\0\r\n"))
    )
)


def storable(text: str) -> str:
    """Return a text with U+FFFD in place of what some database doesn't take."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\0", "\ufffd")


def is_harmless(text: str) -> bool:
    """Return whether a text has no control characters but line ends, and no forged line."""
    printable = all(letter.isprintable() or letter == "\n" for letter in text)
    return printable and not any(
        line.startswith("wanflow: all is well") for line in text.splitlines()
    )


@frozen
class Responses:
    """The API's responses to a submission, to polls and to downloads."""

    submission: tuple[int, Any]
    poll: tuple[int, Any]
    headers: dict[str, str]
    content_type: str

    @property
    def task_id(self) -> str | None:
        """The id of the accepted task as the client must read it, or None if it was rejected."""
        status, body = self.submission
        if status != 200:
            return None
        return storable(body["id"]).strip()


@st.composite
def responses(draw: st.DrawFn) -> Responses:
    """Generate responses with a hostile text at every position."""
    error = {
        "error": draw(
            st.fixed_dictionaries(
                dict.fromkeys(("message", "type", "param", "fallback_suggestion"), hostile)
                | {"code": hostile | st.integers(0, 999)}
            )
        )
    }
    task_id = "task-unified-1-" + draw(hostile)
    common = {"id": task_id, "model": draw(hostile), "object": draw(hostile), "type": draw(hostile)}
    common |= {
        draw(hostile): draw(hostile),
        "usage": {draw(hostile): draw(hostile), "credits_used": 1},
    }
    accepted = common | {"status": "pending" + draw(hostile), "task_info": {"estimated_time": 0}}
    status = draw(st.sampled_from(["completed", "success", "failed", "error", "x" + draw(hostile)]))
    link = "FILES/" + draw(hostile)
    results = draw(
        st.sampled_from([[link], [{"url": link}], [{"image_url": link, "x": draw(hostile)}]])
    )
    polled = common | error | {"status": status, "results": results}
    rejected = draw(st.sampled_from([400, 402, 404]))
    return Responses(
        draw(st.sampled_from([(200, accepted), (200, accepted), (rejected, error)])),
        draw(st.sampled_from([(200, polled), (200, polled), (rejected, error)])),
        {"x-request-id": draw(in_header), "retry-after": "0" + draw(in_header)},
        "image/png" + draw(in_header),
    )


class Handler(BaseHTTPRequestHandler):
    """Responds to a submission, to polls, and to requests for files."""

    @property
    def hostile(self) -> HostileServer:
        """The server, by its own class."""
        return cast("HostileServer", self.server)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._respond(*self.hostile.responses.submission)

    def do_GET(self) -> None:
        if "/tasks/" in self.path:
            self._respond(*self.hostile.responses.poll)
        else:
            self._send(200, PNG, {"content-type": self.hostile.responses.content_type})

    def _respond(self, status: int, body: Any) -> None:
        text = json.dumps(body).replace("FILES/", f"{self.hostile.url}/files/")
        self._send(status, text.encode(), self.hostile.responses.headers)

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has there
        pass


class HostileServer(ThreadingHTTPServer):
    """A server that sends its current `responses`."""

    responses: Responses

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving() -> Generator[HostileServer]:
    """Run a HostileServer in a thread."""
    with HostileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
