"""A server that misbehaves at the socket exactly as configured, and records its requests."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    Act = Callable[[socket.socket], bool]

ID = "task-unified-1760000000-abcd1234"
LINK = "https://files.example/a.mp4"


class MisbehavingServer:
    """Responds to each request with the next act of its method, and repeats the last one.

    An act writes to the connection and returns whether the connection stays open.
    """

    def __init__(
        self,
        *,
        post: Iterable[Act] = (),
        get: Iterable[Act] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = tls
        self._acts = {"POST": deque(post), "GET": deque(get)}
        self.requests: list[tuple[str, str, bytes]] = []
        self.done = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def count(self, method: str) -> int:
        """Return how many requests of a method arrived completely."""
        with self._lock:
            return sum(one[0] == method for one in self.requests)

    def add(self, method: str, *acts: Act) -> None:
        """Add acts after those of a method; the last one is then repeated."""
        with self._lock:
            self._acts[method].extend(acts)

    def headers(self, index: int) -> dict[str, str]:
        """Return the headers of a request, with names in lower case."""
        lines = self.requests[index][2].split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        with suppress(OSError):  # some systems can't shut down a listener
            self._listener.shutdown(socket.SHUT_RDWR)  # ends `accept`, which `close` doesn't
        self._listener.close()
        with self._lock:
            for connection in self._connections:
                connection.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            while (whole := _read(connection)) and self._next(whole)(connection):
                pass
        except OSError:
            pass
        connection.close()

    def _next(self, whole: bytes) -> Act:
        method, target, _ = whole.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        with self._lock:
            self.requests.append((method, target, whole))
            acts = self._acts[method]
            return acts.popleft() if len(acts) > 1 else acts[0]


def _read(connection: socket.socket) -> bytes:
    """Read one request with its body; return b"" if the connection ends first."""
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        body += chunk
    return head + b"\r\n\r\n" + body


def http(status: int, body: bytes, *headers: str, length: int | None = None) -> bytes:
    """Return a response as bytes; `length` replaces the true Content-Length."""
    said = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {said}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def responds(raw: bytes, *, keep: bool = True) -> Act:
    """Send bytes, and keep the connection open or close it."""

    def act(connection: socket.socket) -> bool:
        connection.sendall(raw)
        return keep

    return act


def responds_json(status: int, body: Any, *headers: str) -> Act:
    """Send a JSON response."""
    return responds(http(status, json.dumps(body).encode(), *headers))


def task(status: str, **more: Any) -> Act:
    """Send the status of a task. Its progress is 99 %, so that the next poll comes soon.

    A completed task has a link.
    """
    links = {"results": [LINK]} if status == "completed" else {}
    return responds_json(200, {"id": ID, "status": status, "progress": 99, **links, **more})


def resets(after: bytes = b"") -> Act:
    """Send some bytes, then reset the connection."""

    def act(connection: socket.socket) -> bool:
        connection.sendall(after)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return act


def drips(raw: bytes, done: threading.Event, seconds: float = 0.05) -> Act:
    """Send one byte after the other, slowly, and never finish."""

    def act(connection: socket.socket) -> bool:
        for index in range(len(raw)):
            connection.sendall(raw[index : index + 1])
            if done.wait(seconds):
                return False
        done.wait(60)
        return False

    return act


def hangs(done: threading.Event) -> Act:
    """Read the request, and send nothing."""

    def act(_: socket.socket) -> bool:
        done.wait(60)
        return False

    return act


HTML = http(200, b"<html><body>Please stand by</body></html>", "Content-Type: text/html")
OK = http(200, json.dumps({"id": ID, "status": "completed", "results": [LINK]}).encode())

MISBEHAVIOUR: dict[str, Act] = {
    "reset immediately": resets(),
    "reset after the status line": resets(b"HTTP/1.1 200 OK\r\n"),
    "reset after the headers": resets(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"),
    "half a body": responds(http(200, b'{"id": "task', length=5000), keep=False),
    "end without a response": responds(b"", keep=False),
    "HTML with 200": responds(HTML),
    "an empty body": responds(http(200, b"")),
    "JSON that isn't an object": responds(http(200, b"[1, 2, 3]")),
    "JSON without an id or status": responds(http(200, b'{"ok": tru')),
    "a length that isn't a number": responds(
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}", keep=False
    ),
    "two lengths": responds(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", keep=False
    ),
    "a body that isn't gzip": responds(http(200, b"not gzip at all", "Content-Encoding: gzip")),
    "half a chunk": responds(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf", keep=False
    ),
    "a chunk without a size": responds(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", keep=False
    ),
    "no HTTP": responds(b"SSH-2.0-OpenSSH_9.2\r\n", keep=False),
    "binary noise": responds(bytes(range(256)) * 8, keep=False),
    "500": responds(http(500, b"oops")),
    "502 with HTML": responds(http(502, b"<html>bad gateway</html>")),
    "504": responds(http(504, b"{}")),
    "520": responds(http(520, b"unknown")),
    "an undefined status": responds(http(799, b"{}")),
    "too many headers": responds(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 40_000, keep=False),
    "a redirect elsewhere": responds(http(302, b"", "Location: http://127.0.0.1:9/")),
    "deep JSON": responds(http(200, b"[" * 100_000)),
}
"""What may happen to a response. After a POST none of it proves that nothing was accepted."""

INTERIM = responds(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK)
