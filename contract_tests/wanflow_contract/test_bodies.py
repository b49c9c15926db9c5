"""Bodies that wait for the server, or come in chunks; each is invalid, so that it costs nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.definitions.wire import CHUNK_SIZE, CONTINUES
from wanflow_contract.checks.faulty_field import error_of
from wanflow_contract.support.raw_http import RawConnection, raw_connection
from wanflow_contract.support.raw_requests import JSON, bearer, charge, first_model

if TYPE_CHECKING:
    from wanflow_contract.support.exchange import Exchange

_WAIT = 3.0
"""Seconds in which a server on the other side of the world has answered."""
_TEN = 10
"""The least size of a chunk that has a letter in hexadecimal."""


def invalid(raw: RawConnection, line: str) -> tuple[bytes, bytes]:
    """Return the head, with a further line, and the body of a submission that must be refused."""
    model = first_model(raw.target)
    body = json.dumps({**cheapest(model), "prompt": 5}).encode()
    counted = () if "chunked" in line else (f"Content-Length: {len(body)}",)
    return raw.head("POST", model.path, bearer(raw.target), JSON, *counted, line), body


@pytest.mark.fast
@pytest.mark.costs(0)
def test_a_client_that_waits_with_its_body_gets_a_response(target) -> None:
    """With `Expect: 100-continue` a server sends 100, or a final status, before the body comes."""
    with raw_connection(target) as raw:
        head, body = invalid(raw, "Expect: 100-continue")
        charge(target, body, lambda: _waiting(raw, head, body))


def _waiting(raw: RawConnection, head: bytes, body: bytes) -> Exchange | None:
    raw.send(head)
    heard = bool(raw.peek(_WAIT))
    CONTINUES.require(heard, f"nothing within {_WAIT:g} s", shape="nothing")
    if not heard:
        return None
    raw.send(body)
    return raw.receive(head + body, may_close=True)


@pytest.mark.fast
@pytest.mark.costs(0)
def test_the_size_of_a_chunk_may_be_written_in_capitals(target) -> None:
    """A body is refused for what is in it, whether its chunks have the size `a` or `A`."""
    seen = [_in_chunks(target, form) for form in (b"%x", b"%X")]
    small, capital = (one and (one.status, error_of(one).get("param")) for one in seen)
    CHUNK_SIZE.require(
        small == capital,
        f"{small} for small letters, {capital} for capitals",
        *(one for one in seen if one is not None),
        shape="another response",
    )


def _in_chunks(target, form: bytes) -> Exchange | None:
    with raw_connection(target) as raw:
        head, body = invalid(raw, "Transfer-Encoding: chunked")
        pieces = [body[at : at + _TEN] for at in range(0, len(body), _TEN)]
        chunks = b"".join(form % len(one) + b"\r\n" + one + b"\r\n" for one in pieces)
        sent = head + chunks + b"0\r\n\r\n"
        return charge(target, body, lambda: _sent(raw, sent))


def _sent(raw: RawConnection, sent: bytes) -> Exchange | None:
    raw.send(sent)
    return raw.receive(sent, may_close=True)
