"""An answer, ready to be sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wanflow.mock.fault import Fault

Header = tuple[bytes, bytes]

_ENCODER = json.JSONEncoder(separators=(",", ":"))
_JSON: Header = (b"content-type", b"application/json")
_JUST_JSON = (_JSON,)


@frozen(slots=True)
class Answer:
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


def encode(body: Mapping[str, Any]) -> bytes:
    """Write JSON in plain ASCII, so that no text of a request can break it."""
    return _ENCODER.encode(body).encode()


def json_answer(status: int, body: Mapping[str, Any], headers: Iterable[Header] = ()) -> Answer:
    """Answer with a JSON object."""
    return encoded_answer(status, encode(body), headers)


def encoded_answer(status: int, body: bytes, headers: Iterable[Header] = ()) -> Answer:
    """Answer with JSON that is written already."""
    return Answer(status, body, (_JSON, *headers) if headers else _JUST_JSON)


def no_answer(fault: Fault) -> Answer:
    """Say nothing at all, in the way of a fault."""
    return Answer(0, b"", fault=fault)
