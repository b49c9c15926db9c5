"""Responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.mock.json_body import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wanflow.mock.gateway.fault import Fault

Header = tuple[bytes, bytes]

_JSON: Header = (b"content-type", b"application/json")
_JUST_JSON = (_JSON,)


@frozen(slots=True)
class Response:
    """A status, headers (names in lower case) and the whole body.

    `length` is the Content-Length, if it isn't the body's length (HEAD). `fault` is a fault of the
    socket; `status` is 0 if no response is sent.
    """

    status: int
    body: bytes
    headers: tuple[Header, ...] = ()
    length: int | None = None
    fault: Fault | None = None

    def header_list(self) -> list[Header]:
        """Return the headers with Content-Length first, as ASGI takes them."""
        length = len(self.body) if self.length is None else self.length
        return [(b"content-length", str(length).encode()), *self.headers]


def json_response(status: int, body: Mapping[str, Any], headers: Iterable[Header] = ()) -> Response:
    """Return a response with a JSON object."""
    return encoded_response(status, encode(body), headers)


def encoded_response(status: int, body: bytes, headers: Iterable[Header] = ()) -> Response:
    """Return a response with encoded JSON."""
    return Response(status, body, (_JSON, *headers) if headers else _JUST_JSON)


def text_response(status: int, kind: str, text: str, headers: Iterable[Header] = ()) -> Response:
    """Return a response with a text."""
    return Response(status, text.encode(), ((b"content-type", kind.encode()), *headers))


def no_response(fault: Fault) -> Response:
    """Return a placeholder for no response, because of a fault."""
    return Response(0, b"", fault=fault)
