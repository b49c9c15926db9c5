"""A real HTTP proxy between the suite and a server, with at most one fault, in any of its guises.

It knows nothing of the server behind it, nor of the suite before it: what it changes, it changes in
requests and answers as they go by.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections import defaultdict
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable

_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})


@define
class Ask:
    """A request on its way to the server; `path` is without the base, headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    content: bytes

    @property
    def submits(self) -> bool:
        """Whether it submits a task."""
        return self.method == "POST" and self.path.endswith("/generations")

    @property
    def looks(self) -> bool:
        """Whether it asks for a task."""
        return self.method == "GET" and self.path.startswith("/v1/tasks/")

    @property
    def fetches(self) -> bool:
        """Whether it asks for something that is no part of the API: a file."""
        return self.method == "GET" and not self.path.startswith("/v1/")

    @property
    def key(self) -> str:
        """What is shown as a key."""
        return self.headers.get("authorization", "")

    @property
    def body(self) -> dict[str, Any]:
        """The decoded body, empty where it is no JSON object."""
        try:
            body = json.loads(self.content)
        except (ValueError, RecursionError):
            return {}
        return body if isinstance(body, dict) else {}

    def say(self, body: Any) -> None:
        """Replace the body."""
        self.content = json.dumps(body).encode()


@define
class Answer:
    """An answer on its way back."""

    status: int
    headers: list[tuple[str, str]]
    content: bytes

    @property
    def body(self) -> Any:
        """The decoded body, {} where it is no JSON."""
        try:
            return json.loads(self.content)
        except ValueError:
            return {}

    def say(self, body: Any) -> None:
        """Replace the body."""
        self.content = json.dumps(body).encode()

    def change(self, **values: Any) -> None:
        """Change fields of the body; None removes one."""
        body = {**self.body, **values}
        self.say({name: value for name, value in body.items() if value is not None})

    def set(self, name: str, *values: str) -> None:
        """Replace a header by any number of them."""
        kept = [one for one in self.headers if one[0].lower() != name.lower()]
        self.headers = [*kept, *((name, value) for value in values)]


def refusal(status: int, kind: str, **more: Any) -> Answer:
    """Return an answer that refuses in the documents' form."""
    error = {"code": status, "message": "No", "type": kind, **more}
    said = json.dumps({"error": error}).encode()
    return Answer(status, [("content-type", "application/json")], said)


@define
class Memory:
    """What a proxy remembers: the fault's own notes, tasks' bodies and owners, and counts."""

    notes: dict[Any, Any] = field(factory=dict)
    asked: dict[str, dict[str, Any]] = field(factory=dict)
    owner: dict[str, str] = field(factory=dict)
    looked: dict[str, int] = field(factory=lambda: defaultdict(int))
    count: int = 0


@frozen
class Fault:
    """A fault: `before` may change a request or answer it, `after` may change the answer."""

    name: str
    says: str
    before: Callable[[Ask, Memory], Answer | None] | None = field(repr=False, default=None)
    after: Callable[[Ask, Answer, Memory], None] | None = field(repr=False, default=None)
    steered: bool = False
    """Whether nobody can reach it without the server's controls."""


@frozen
class Guise:
    """How a right proxy may look: none of it is a fault.

    `rewrites` tells whether links are made to lead through the proxy; `keys` are those let in, any
    where there are none.
    """

    name: str = "plain"
    controls: bool = True
    keys: frozenset[str] = field(repr=False, default=frozenset())
    rewrites: bool = True
    case: Callable[[str], str] = field(repr=False, default=str)
    via: bool = False
    chunked: bool = False
    old: bool = False


class Proxy(ThreadingHTTPServer):
    """The proxy, in a thread of its own from `with` to its end."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, base_url: str, guise: Guise, fault: Fault | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        parts = urlsplit(base_url)
        self.behind, self.base = parts.netloc, parts.path
        self.origin = f"http://127.0.0.1:{self.server_address[1]}"
        self.base_url = self.origin + self.base
        self.guise, self.fault, self.memory = guise, fault, Memory()
        self.lock, self.layer = threading.RLock(), self
        self.requests = self.reached = self.triggered = 0
        self._local = threading.local()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent where a client goes away."""

    def carried(self, ask: Ask) -> Answer:
        """Return the answer to a request, the fault in it; what the fault trips over it leaves."""
        if self.fault is None:
            return self.forward(ask)
        was = (ask.method, ask.path, ask.content, dict(ask.headers))
        answer, given = None, Answer(0, [], b"")
        if self.fault.before is not None:
            with self.lock, suppress(TypeError, ValueError, LookupError, AttributeError):
                answer = self.fault.before(ask, self.memory)
        hit = answer is not None or was != (ask.method, ask.path, ask.content, ask.headers)
        if answer is None:
            answer = self.forward(ask)
        if self.fault.after is not None:
            given = Answer(answer.status, list(answer.headers), answer.content)
            with self.lock, suppress(TypeError, ValueError, LookupError, AttributeError):
                self.fault.after(ask, answer, self.memory)
            hit = hit or answer != given
        self.triggered += hit
        return answer

    def release(self) -> None:
        """Close this thread's connection to the server behind."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()

    def forward(self, ask: Ask) -> Answer:
        """Have the server behind answer, and remember whose task it is."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = http.client.HTTPConnection(self.behind)
        path = ask.path if ask.fetches and self.guise.rewrites else self.base + ask.path
        headers = {name: value for name, value in ask.headers.items() if name not in _HOP}
        if self.guise.keys and ask.key.partition(" ")[2].strip() not in self.guise.keys:
            headers.pop("authorization", None)
        try:
            connection.request(ask.method, path, ask.content or None, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
        kept = [one for one in response.getheaders() if one[0].lower() not in _HOP]
        answer = Answer(response.status, kept, content)
        if self.guise.rewrites and ask.looks:
            answer.content = answer.content.replace(self.behind.encode(), self.origin[7:].encode())
        self._remember(ask, answer)
        return answer

    def _remember(self, ask: Ask, answer: Answer) -> None:
        with self.lock:
            self.memory.count += 1
            if ask.submits and answer.status == 200:
                made = str(answer.body.get("id"))
                self.memory.asked.setdefault(made, ask.body)
                self.memory.owner.setdefault(made, ask.key)
            if ask.looks:
                self.memory.looked[ask.path] += 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet, or each answer waits 40 ms
    server: Proxy

    def finish(self) -> None:
        super().finish()
        self.server.release()

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if self.path.startswith("/_mock"):
            self._send(self._control(Ask(self.command, self.path, headers, content)))
            return
        self.server.requests += 1
        path = self.path.removeprefix(self.server.base)
        self._send(self.server.carried(Ask(self.command, path, headers, content)))

    do_GET = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = do_TRACE = do_POST  # noqa: N815

    def _control(self, ask: Ask) -> Answer:
        if not self.server.guise.controls:
            return refusal(404, "not_found_error")
        connection = http.client.HTTPConnection(self.server.behind)
        headers = {name: value for name, value in ask.headers.items() if name not in _HOP}
        connection.request(ask.method, ask.path, ask.content or None, headers)
        response = connection.getresponse()
        kept = [one for one in response.getheaders() if one[0].lower() not in _HOP]
        answer = Answer(response.status, kept, response.read())
        connection.close()
        return answer

    def _send(self, answer: Answer) -> None:
        guise = self.server.guise
        self.protocol_version = "HTTP/1.0" if guise.old else "HTTP/1.1"
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(guise.case(name), value)
        if guise.via:
            self.send_header("Via", "1.1 a-proxy")
            self.send_header("X-Request-Id", f"{self.server.requests}")
        bare = self.command == "HEAD" or answer.status in {204, 304}
        if guise.chunked and not bare:
            self.send_header(guise.case("Transfer-Encoding"), "chunked")
            self.end_headers()
            half = len(answer.content) // 2
            for part in (answer.content[:half], answer.content[half:]):
                if part:
                    self._chunk(part)
            self._chunk(b"")
            return
        if guise.old:
            self.close_connection = True
        elif answer.status != 204:
            self.send_header(guise.case("Content-Length"), str(len(answer.content)))
        self.end_headers()
        self.wfile.write(b"" if bare else answer.content)

    def _chunk(self, part: bytes) -> None:
        self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")

    def log_message(self, *_: Any) -> None:
        """Stay silent."""
