"""An HTTP proxy between the suite and a server, with at most one fault, in several variants.

It knows neither the server nor the suite; it changes requests and responses that it forwards.
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
class ProxiedRequest:
    """A request to the server; `path` is without the base, header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    content: bytes

    @property
    def is_submission(self) -> bool:
        """Whether it submits a task."""
        return self.method == "POST" and self.path.endswith("/generations")

    @property
    def is_poll(self) -> bool:
        """Whether it queries a task."""
        return self.method == "GET" and self.path.startswith("/v1/tasks/")

    @property
    def is_download(self) -> bool:
        """Whether it downloads a file."""
        return self.method == "GET" and not self.path.startswith("/v1/")

    @property
    def key(self) -> str:
        """The Authorization header."""
        return self.headers.get("authorization", "")

    @property
    def body(self) -> dict[str, Any]:
        """The decoded body, empty if it isn't a JSON object."""
        try:
            body = json.loads(self.content)
        except (ValueError, RecursionError):
            return {}
        return body if isinstance(body, dict) else {}

    def set_body(self, body: Any) -> None:
        """Replace the body."""
        self.content = json.dumps(body).encode()


@define
class ProxiedResponse:
    """A response to the client."""

    status: int
    headers: list[tuple[str, str]]
    content: bytes

    @property
    def body(self) -> Any:
        """The decoded body, {} if it isn't JSON."""
        try:
            return json.loads(self.content)
        except ValueError:
            return {}

    def set_body(self, body: Any) -> None:
        """Replace the body."""
        self.content = json.dumps(body).encode()

    def set_fields(self, **values: Any) -> None:
        """Change fields of the body; None removes one."""
        body = {**self.body, **values}
        self.set_body({name: value for name, value in body.items() if value is not None})

    def set_header(self, name: str, *values: str) -> None:
        """Replace a header by any number of values."""
        kept = [one for one in self.headers if one[0].lower() != name.lower()]
        self.headers = [*kept, *((name, value) for value in values)]


def error_response(status: int, kind: str, **more: Any) -> ProxiedResponse:
    """Return an error response in the documented form."""
    error = {"code": status, "message": "No", "type": kind, **more}
    said = json.dumps({"error": error}).encode()
    return ProxiedResponse(status, [("content-type", "application/json")], said)


@define
class ProxyState:
    """What a proxy remembers: the fault's notes, the tasks' requests and owners, and counts."""

    notes: dict[Any, Any] = field(factory=dict)
    requests: dict[str, dict[str, Any]] = field(factory=dict)
    owner: dict[str, str] = field(factory=dict)
    polls: dict[str, int] = field(factory=lambda: defaultdict(int))
    count: int = 0


@frozen
class Fault:
    """A fault: `before` may change a request or respond to it, `after` may change the response."""

    name: str
    description: str
    before: Callable[[ProxiedRequest, ProxyState], ProxiedResponse | None] | None = field(
        repr=False, default=None
    )
    after: Callable[[ProxiedRequest, ProxiedResponse, ProxyState], None] | None = field(
        repr=False, default=None
    )
    needs_controls: bool = False
    """Whether it can be triggered only with the mock's controls."""


@frozen
class ProxyVariant:
    """A correct variant of the proxy; none of these settings is a fault.

    With `rewrites`, result URLs lead through the proxy; `keys` are the accepted API keys, all if
    empty.
    """

    name: str = "plain"
    controls: bool = True
    keys: frozenset[str] = field(repr=False, default=frozenset())
    rewrites: bool = True
    case: Callable[[str], str] = field(repr=False, default=str)
    via: bool = False
    chunked: bool = False
    http10: bool = False


class Proxy(ThreadingHTTPServer):
    """The proxy, in its own thread, as a context manager."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, base_url: str, variant: ProxyVariant, fault: Fault | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        parts = urlsplit(base_url)
        self.upstream, self.base = parts.netloc, parts.path
        self.origin = f"http://127.0.0.1:{self.server_address[1]}"
        self.base_url = self.origin + self.base
        self.variant, self.fault, self.state = variant, fault, ProxyState()
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
        """Ignore a client that disconnects."""

    def handle_proxied(self, request: ProxiedRequest) -> ProxiedResponse:
        """Return the response with the fault; the fault skips messages that it can't handle."""
        if self.fault is None:
            return self.forward(request)
        was = (request.method, request.path, request.content, dict(request.headers))
        response, given = None, ProxiedResponse(0, [], b"")
        if self.fault.before is not None:
            with self.lock, suppress(TypeError, ValueError, LookupError, AttributeError):
                response = self.fault.before(request, self.state)
        hit = response is not None or was != (
            request.method,
            request.path,
            request.content,
            request.headers,
        )
        if response is None:
            response = self.forward(request)
        if self.fault.after is not None:
            given = ProxiedResponse(response.status, list(response.headers), response.content)
            with self.lock, suppress(TypeError, ValueError, LookupError, AttributeError):
                self.fault.after(request, response, self.state)
            hit = hit or response != given
        self.triggered += hit
        return response

    def release(self) -> None:
        """Close this thread's connection to the server."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()

    def forward(self, request: ProxiedRequest) -> ProxiedResponse:
        """Forward a request to the server, and remember the owner of a new task."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = http.client.HTTPConnection(self.upstream)
        path = (
            request.path
            if request.is_download and self.variant.rewrites
            else self.base + request.path
        )
        headers = {name: value for name, value in request.headers.items() if name not in _HOP}
        if self.variant.keys and request.key.partition(" ")[2].strip() not in self.variant.keys:
            headers.pop("authorization", None)
        try:
            connection.request(request.method, path, request.content or None, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
        kept = [one for one in response.getheaders() if one[0].lower() not in _HOP]
        response = ProxiedResponse(response.status, kept, content)
        if self.variant.rewrites and request.is_poll:
            response.content = response.content.replace(
                self.upstream.encode(), self.origin[7:].encode()
            )
        self._remember(request, response)
        return response

    def _remember(self, request: ProxiedRequest, response: ProxiedResponse) -> None:
        with self.lock:
            self.state.count += 1
            if request.is_submission and response.status == 200:
                made = str(response.body.get("id"))
                self.state.requests.setdefault(made, request.body)
                self.state.owner.setdefault(made, request.key)
            if request.is_poll:
                self.state.polls[request.path] += 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet; otherwise each response takes 40 ms
    server: Proxy

    def finish(self) -> None:
        super().finish()
        self.server.release()

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if self.path.startswith("/_mock"):
            self._send(
                self._forward_control(ProxiedRequest(self.command, self.path, headers, content))
            )
            return
        self.server.requests += 1
        path = self.path.removeprefix(self.server.base)
        self._send(self.server.handle_proxied(ProxiedRequest(self.command, path, headers, content)))

    do_GET = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = do_TRACE = do_POST  # noqa: N815

    def _forward_control(self, request: ProxiedRequest) -> ProxiedResponse:
        if not self.server.variant.controls:
            return error_response(404, "not_found_error")
        connection = http.client.HTTPConnection(self.server.upstream)
        headers = {name: value for name, value in request.headers.items() if name not in _HOP}
        connection.request(request.method, request.path, request.content or None, headers)
        response = connection.getresponse()
        kept = [one for one in response.getheaders() if one[0].lower() not in _HOP]
        response = ProxiedResponse(response.status, kept, response.read())
        connection.close()
        return response

    def _send(self, response: ProxiedResponse) -> None:
        variant = self.server.variant
        self.protocol_version = "HTTP/1.0" if variant.http10 else "HTTP/1.1"
        self.send_response_only(response.status)
        for name, value in response.headers:
            self.send_header(variant.case(name), value)
        if variant.via:
            self.send_header("Via", "1.1 a-proxy")
            self.send_header("X-Request-Id", f"{self.server.requests}")
        bare = self.command == "HEAD" or response.status in {204, 304}
        if variant.chunked and not bare:
            self.send_header(variant.case("Transfer-Encoding"), "chunked")
            self.end_headers()
            half = len(response.content) // 2
            for part in (response.content[:half], response.content[half:]):
                if part:
                    self._chunk(part)
            self._chunk(b"")
            return
        if variant.http10:
            self.close_connection = True
        elif response.status != 204:
            self.send_header(variant.case("Content-Length"), str(len(response.content)))
        self.end_headers()
        self.wfile.write(b"" if bare else response.content)

    def _chunk(self, part: bytes) -> None:
        self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")

    def log_message(self, *_: Any) -> None:
        """Stay silent."""
