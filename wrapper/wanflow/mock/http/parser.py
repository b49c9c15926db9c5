"""From the bytes of a connection to requests, as httptools reads HTTP/1.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httptools

from wanflow.mock.http.request import MAX_BODY_SIZE, Request, raw_path

if TYPE_CHECKING:
    from collections.abc import Callable


MAX_HEAD_SIZE = 64 * 1024
_OFFER = frozenset({b"connection", b"upgrade", b"http2-settings"})
_METHODS = {b"GET": "GET", b"POST": "POST", b"HEAD": "HEAD"}


class InvalidHttp(Exception):
    """No request can be read from here on: the status that says so, and why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RequestParser:
    """Reads requests and tells of each when it is complete, or has turned out to be too large.

    `go_on` is called where a client waits to be asked for its body.
    """

    def __init__(
        self, on_request: Callable[[Request], None], on_continue: Callable[[], None]
    ) -> None:
        self._on_request = on_request
        self._on_continue = on_continue
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._pieces: list[bytes] = []
        self._length = 0
        self._in_head = True
        self._delivered = self._body_unread = False
        self._boundaries, self._head_length = 0, 0

    def feed(self, data: bytes) -> None:
        """Read what came.

        Raises:
            InvalidHttp: it isn't HTTP/1.1, or a head that doesn't end.
        """
        turns, rest = self._boundaries, data
        while rest:
            try:
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = self._ignore_upgrade() + rest[upgrade.args[0] :]
            except httptools.HttpParserCallbackError as error:
                raise error.__context__ or error from None
            except httptools.HttpParserError as error:
                raise InvalidHttp(400, "this is not HTTP/1.1") from error
            else:
                break
        self._check_header_size(len(data), anew=turns != self._boundaries)

    def _ignore_upgrade(self) -> bytes:
        """Leave an offer of another protocol alone, as HTTP allows, and go on with this one.

        The parser takes what follows the head for the other protocol; where a body does, return
        the head as it would be without the offer, for the parser to read again.
        """
        method = self._parser.get_method()
        version = self._parser.get_http_version().encode()
        self._parser = httptools.HttpRequestParser(self)
        if not self._body_unread:
            return b""
        last = b"close" in self._headers.get(b"connection", b"").lower()
        kept = {name: value for name, value in self._headers.items() if name not in _OFFER}
        lines = [b"%b %b HTTP/%b" % (method, self._url, version)]
        lines += [b"%b: %b" % header for header in kept.items()]
        lines += [b"connection: close"] if last else []
        return b"\r\n".join(lines) + b"\r\n\r\n"

    # What httptools calls.

    def on_message_begin(self) -> None:
        """Forget the request before."""
        self._url, self._headers, self._pieces = b"", {}, []
        self._length, self._delivered, self._body_unread = 0, False, False

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers are passed over."""
        if self._in_head:
            self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """Have the body sent, if that is waited for."""
        self._in_head = False
        self._boundaries += 1
        announced = self._headers.get(b"content-length")
        if b"upgrade" in self._headers and self._parser.should_upgrade():
            body = announced or self._headers.get(b"transfer-encoding")
            self._body_unread = body is not None
        elif announced is not None and int(announced) > MAX_BODY_SIZE:
            self._deliver(None)
        elif (
            self._headers.get(b"expect", b"").lower() == b"100-continue"
            and self._parser.get_http_version() != "1.0"
        ):
            self._on_continue()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body; what comes of one that is too large is passed over."""
        if self._delivered:
            return
        self._length += len(body)
        if self._length > MAX_BODY_SIZE:
            self._pieces.clear()
            self._deliver(None)
        else:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        """Tell of the request."""
        self._in_head = True
        self._boundaries += 1
        if not (self._delivered or self._body_unread):
            self._deliver(b"".join(self._pieces))

    def _deliver(self, content: bytes | None) -> None:
        self._delivered = True
        path = raw_path(self._url)
        if path is None:
            raise InvalidHttp(400, "the request has no path")
        raw = self._parser.get_method()
        method = _METHODS.get(raw) or raw.decode("latin-1")
        last = not self._parser.should_keep_alive() or self._parser.get_http_version() == "1.0"
        query = self._url.partition(b"?")[2]
        self._on_request(Request(method, path, self._headers, content, query, last))

    def _check_header_size(self, more: int, *, anew: bool) -> None:
        self._head_length = self._head_length + more if self._in_head and not anew else 0
        if self._head_length > MAX_HEAD_SIZE:
            raise InvalidHttp(431, f"the request's head must have at most {MAX_HEAD_SIZE} bytes")
