"""Requests sent byte by byte as a test gives them, over a socket of their own."""

from __future__ import annotations

import io
import socket
import ssl
import time
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import define, field

from wanflow_contract.checks.definitions.responses import RESPONDS
from wanflow_contract.support.exchange import Exchange
from wanflow_contract.support.interruptions import NotAvailable, is_interruption
from wanflow_contract.support.pace import WAITS, RateLimited
from wanflow_contract.support.unavailable import tls_context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow_contract.support.api_under_test import ApiUnderTest

_MOCK_TIMEOUT = 5.0
_MOST = 16 * 1024**2
_TOO_MANY = 429
_SWITCHED, _FINAL, _MOST_INFORMATIONAL = 101, 200, 100


class _Stream(io.RawIOBase):
    """The incoming bytes of a socket; after a timeout they can be read again."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Receive bytes into a buffer."""
        return self._connection.recv_into(buffer)


class _SharedFile:
    """The connection's incoming bytes, which outlive each response."""

    def __init__(self, incoming: Any) -> None:
        self._incoming = incoming

    def __getattr__(self, name: str) -> Any:
        return getattr(self._incoming, name)

    def close(self) -> None:
        """Leave the connection open for the next response."""

    def makefile(self, *_: Any) -> _SharedFile:
        """Stand in for a socket."""
        return self


@define(eq=False)
class RawConnection:
    """One connection to the server under test; `path_prefix` precedes the paths of the spec.

    `closed` is whether the server closes it after the latest response.
    """

    target: ApiUnderTest
    host: str
    path_prefix: str
    _socket: socket.socket = field(repr=False)
    _incoming: Any = field(repr=False)
    closed: bool = False

    def head(self, method: str, path: str, *lines: str, version: str = "1.1") -> bytes:
        """Return a request line, the Host header and further header lines."""
        first = f"{method} {self.path_prefix}{path} HTTP/{version}"
        return "\r\n".join([first, f"Host: {self.host}", *lines, "", ""]).encode("latin-1")

    def send(self, data: bytes, *, last: bool = False) -> None:
        """Send bytes; after the `last` ones the server reads the end of the stream."""
        self.target.client.pace.wait()
        self.target.client.record_request("RAW", self.path_prefix, data)
        try:
            self._socket.sendall(data)
            if last and not isinstance(self._socket, ssl.SSLSocket):
                self._socket.shutdown(socket.SHUT_WR)
        except OSError:  # the server has refused the request already; its response is next
            return

    def receive(self, sent: bytes, *, may_close: bool = False) -> Exchange | None:
        """Return the next response; None if the server closes instead and `may_close`.

        Args:
            sent: the request that it answers, for the report.
            may_close: whether closing the connection is a correct refusal.

        Raises:
            CheckFailed: there is no valid response.
            RateLimited: the server's rate limit refuses the request.
            NotAvailable: it has no answer now.
        """
        begun, method = time.monotonic(), sent.split(b" ", 1)[0].decode("latin-1")
        try:
            response = _begun(self._incoming, method)
            content = _read(response)
        except TimeoutError:
            RESPONDS.fail("there is no complete response", self._exchange(sent, 0, (), b"", begun))
        except (OSError, HTTPException, ValueError) as error:
            self.closed = True
            if may_close:
                return None
            detail = f"{type(error).__name__}: {error}"
            RESPONDS.fail(detail, self._exchange(sent, 0, (), b"", begun))
        self.closed = bool(response.will_close)
        headers = tuple(response.getheaders())
        exchange = self._exchange(sent, response.status, headers, content, begun)
        RESPONDS.evaluated(exchange)
        if exchange.status == _TOO_MANY:
            self.target.client.pace.slow_down(exchange, WAITS[0])
            raise RateLimited("the server's rate limit refused a request that is sent as bytes")
        if is_interruption(exchange) and self.target.client.interruptions.gone:
            raise NotAvailable(f"the server answers now and then with {exchange.status}")
        return exchange

    def rest(self, seconds: float) -> bytes | None:
        """Return what else arrives until the server closes, None if it doesn't close in time."""
        self._socket.settimeout(seconds)
        try:
            found: bytes = self._incoming.read(_MOST)
        except TimeoutError:
            return None
        except OSError:
            return b""
        return found

    def peek(self, seconds: float) -> bytes:
        """Return what arrives next within some seconds, b'' if nothing; it stays to be received."""
        before = self._socket.gettimeout()
        self._socket.settimeout(seconds)
        try:
            found: bytes = self._incoming.peek(16)
        except OSError:
            found = b""
        self._socket.settimeout(before)
        return found

    def _exchange(
        self, sent: bytes, status: int, headers: Any, content: bytes, begun: float
    ) -> Exchange:
        head, _, body = sent.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path = [*first.split(" "), ""][:2]
        pairs = [line.partition(":")[::2] for line in lines]
        shown = tuple((name, value.strip()) for name, value in pairs)
        url = path if "://" in path else f"{self.target.base_url}{self._short(path)}"
        seconds = time.monotonic() - begun
        secrets = self.target.client.secrets
        exchange = Exchange(
            method, url, self._short(path), shown, body, status, headers, content, seconds, secrets
        )
        self.target.client.journal.append(exchange)
        return exchange

    def _short(self, path: str) -> str:
        return path.removeprefix(self.path_prefix)


def _begun(incoming: Any, method: str) -> HTTPResponse:
    """Return the final response, after any informational ones; its headers have been read.

    Raises:
        HTTPException: it is malformed, or doesn't come.
    """
    for _ in range(_MOST_INFORMATIONAL):
        response = HTTPResponse(_SharedFile(incoming), method=method)  # type: ignore[arg-type]
        response.begin()
        if response.status >= _FINAL or response.status == _SWITCHED:
            return response
    raise HTTPException(f"{_MOST_INFORMATIONAL} informational responses, and no final one")


def _read(response: HTTPResponse) -> bytes:
    """Read the body of a response, which may be endless.

    Raises:
        HTTPException: it is longer than any response of the API.
    """
    if response.length is None:
        return response.read(_MOST)
    if response.length > _MOST:
        raise HTTPException(f"the body has {response.length} bytes")
    return response.read()


def _connected(target: ApiUnderTest, host: str, port: int, timeout: float) -> socket.socket:
    """Connect to the server under test.

    Raises:
        CheckFailed: it doesn't accept the connection.
    """
    try:
        return socket.create_connection((host, port), timeout)
    except OSError as error:
        RESPONDS.fail(f"{target.base_url} accepts no connection: {error}")


@contextmanager
def raw_connection(target: ApiUnderTest) -> Iterator[RawConnection]:
    """Open a connection to the server under test, as a context manager."""
    parts = urlsplit(target.base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    timeout = _MOCK_TIMEOUT if target.has_mock_controls else target.client.timeout
    with _connected(target, parts.hostname or "", port, timeout) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wrapped = (
            tls_context().wrap_socket(plain, server_hostname=parts.hostname)
            if parts.scheme == "https"
            else plain
        )
        with wrapped:
            incoming = io.BufferedReader(_Stream(wrapped))
            yield RawConnection(target, parts.netloc, parts.path.rstrip("/"), wrapped, incoming)
