"""An answer, ready to be sent."""

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

    `length` is what Content-Length says; it differs from the body's only in answers to HEAD.
    `fault` is what goes wrong on the answer's way; where nothing is to be sent, `status` is 0.
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
    """Answer with a JSON object."""
    return encoded_response(status, encode(body), headers)


def encoded_response(status: int, body: bytes, headers: Iterable[Header] = ()) -> Response:
    """Answer with JSON that is written already."""
    return Response(status, body, (_JSON, *headers) if headers else _JUST_JSON)


def text_response(status: int, kind: str, text: str, headers: Iterable[Header] = ()) -> Response:
    """Answer with a text of a media type."""
    return Response(status, text.encode(), ((b"content-type", kind.encode()), *headers))


def no_response(fault: Fault) -> Response:
    """Say nothing at all, in the way of a fault."""
    return Response(0, b"", fault=fault)
