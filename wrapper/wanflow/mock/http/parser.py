"""Parses requests from the bytes of a connection, with httptools."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httptools

from wanflow.mock.http.request import Request, max_body_size, raw_path

if TYPE_CHECKING:
    from collections.abc import Callable


MAX_HEAD_SIZE = 64 * 1024
_UPGRADE_HEADERS = frozenset({b"connection", b"upgrade", b"http2-settings"})
_METHODS = {b"GET": "GET", b"POST": "POST", b"HEAD": "HEAD"}


class InvalidHttp(Exception):
    """The bytes aren't valid HTTP; `status` is that of the response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RequestParser:
    """Parses requests; calls `on_request` with each that is complete, or is too large.

    `on_continue` is called if the client expects a 100 Continue response; `local_host` is the
    address of this end of the connection.
    """

    def __init__(
        self, on_request: Callable[[Request], None], on_continue: Callable[[], None]
    ) -> None:
        self._on_request = on_request
        self._on_continue = on_continue
        self.local_host = ""
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._pieces: list[bytes] = []
        self._length = 0
        self._in_head = True
        self._delivered = self._body_unread = False
        self._boundaries, self._head_length = 0, 0

    def feed(self, data: bytes) -> None:
        """Parse received bytes.

        Raises:
            InvalidHttp: it isn't HTTP/1.1, or the head is too large.
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
        """Ignore an upgrade request, as HTTP allows, and continue with HTTP/1.1.

        The parser treats what follows the head as the other protocol. If there is a body, return
        the head without the upgrade headers, to be parsed again.
        """
        method = self._parser.get_method()
        version = self._parser.get_http_version().encode()
        self._parser = httptools.HttpRequestParser(self)
        if not self._body_unread:
            return b""
        last = b"close" in self._headers.get(b"connection", b"").lower()
        kept = {
            name: value for name, value in self._headers.items() if name not in _UPGRADE_HEADERS
        }
        lines = [b"%b %b HTTP/%b" % (method, self._url, version)]
        lines += [b"%b: %b" % header for header in kept.items()]
        lines += [b"connection: close"] if last else []
        return b"\r\n".join(lines) + b"\r\n\r\n"

    # Called by httptools.

    def on_message_begin(self) -> None:
        """Reset the state for a new request."""
        self._url, self._headers, self._pieces = b"", {}, []
        self._length, self._delivered, self._body_unread = 0, False, False

    def on_url(self, url: bytes) -> None:
        """Add a part of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header without the spaces around its value; trailers are ignored."""
        if self._in_head:
            self._headers[name.lower()] = value.strip(b" \t")

    def on_headers_complete(self) -> None:
        """Check the body's announced size, and send 100 Continue if expected."""
        self._in_head = False
        self._boundaries += 1
        announced = self._headers.get(b"content-length")
        if b"upgrade" in self._headers and self._parser.should_upgrade():
            body = announced or self._headers.get(b"transfer-encoding")
            self._body_unread = body is not None
        elif announced is not None and int(announced) > max_body_size(self._url):
            self._deliver(None)
        elif (
            self._headers.get(b"expect", b"").lower() == b"100-continue"
            and self._parser.get_http_version() != "1.0"
        ):
            self._on_continue()

    def on_body(self, body: bytes) -> None:
        """Add a part of the body; the rest of one that is too large is ignored."""
        if self._delivered:
            return
        self._length += len(body)
        if self._length > max_body_size(self._url):
            self._pieces.clear()
            self._deliver(None)
        else:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        """Deliver the request."""
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
        request = Request(method, path, self._headers, content, query, last)
        request.local_host = self.local_host
        self._on_request(request)

    def _check_header_size(self, more: int, *, anew: bool) -> None:
        self._head_length = self._head_length + more if self._in_head and not anew else 0
        if self._head_length > MAX_HEAD_SIZE:
            raise InvalidHttp(431, f"the request's head must have at most {MAX_HEAD_SIZE} bytes")
