"""Broken requests: what isn't HTTP is refused, or its connection is closed; nothing fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wanflow_contract.checks.definitions.wire import BROKEN
from wanflow_contract.support.raw_http import RawConnection, raw_connection
from wanflow_contract.support.raw_requests import submission

if TYPE_CHECKING:
    from wanflow_contract.support.exchange import Exchange

BROKEN_LENGTHS = {
    "a negative length": ("Content-Length: -1",),
    "a length with a sign": ("Content-Length: +5",),
    "a length in words": ("Content-Length: five",),
    "an empty length": ("Content-Length:",),
    "a length in hex": ("Content-Length: 0x20",),
    "a huge length": ("Content-Length: 99999999999999999999999",),
    "two lengths": ("Content-Length: 5", "Content-Length: 50"),
    "two lengths in one": ("Content-Length: 5, 50"),
    "a length and chunks": ("Transfer-Encoding: chunked", "Content-Length: 5"),
    "an unknown coding": ("Transfer-Encoding: x-unknown",),
    "chunked twice": ("Transfer-Encoding: chunked, chunked",),
    "a coding after chunked": ("Transfer-Encoding: chunked, gzip",),
}
BROKEN_HEADS = {
    "no version": b"GET /\r\n\r\n",
    "another protocol": b"GET / HTTPS/1.1\r\n\r\n",
    "a version of the future": b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    "no path": b"GET  HTTP/1.1\r\nHost: a\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
    "a header with a space in its name": b"GET / HTTP/1.1\r\nHost: a\r\nX A: 1\r\n\r\n",
    "a NUL in a header": b"GET / HTTP/1.1\r\nHost: a\r\nX-A: \x00\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "another path of the server": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "a long line": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n  2\r\n\r\n",
}


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("way", sorted(BROKEN_LENGTHS))
def test_a_body_of_unclear_length_is_refused_or_ended(target, way) -> None:
    """A request whose body has no clear end makes nothing fail, and doesn't hang."""
    with raw_connection(target) as raw:
        lines = BROKEN_LENGTHS[way]
        given = (lines,) if isinstance(lines, str) else lines
        head, _ = submission(raw, *given, length=-1)
        exchange = _send_broken(raw, head + b'5\r\n{"a":\r\n0\r\n\r\n', way)
        if exchange is not None:
            BROKEN.require(exchange.status >= 400, f"{exchange.status} for {way}", exchange)


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("way", sorted(BROKEN_HEADS))
def test_a_broken_head_is_refused(target, way) -> None:
    """What isn't a request of HTTP/1.1 makes nothing fail, and doesn't hang."""
    with raw_connection(target) as raw:
        _send_broken(raw, BROKEN_HEADS[way], way)


def _send_broken(raw: RawConnection, sent: bytes, way: str) -> Exchange | None:
    raw.send(sent, last=True)
    if way == "no version":  # HTTP/0.9 has no status line
        BROKEN.require(raw.rest(3.0) is not None, f"no end for {way}")
        return None
    exchange = raw.receive(sent, may_close=True)
    if exchange is not None:
        right = exchange.status < 500 or exchange.status in {501, 505}
        BROKEN.require(right, f"{exchange.status} for {way}", exchange)
    return exchange
