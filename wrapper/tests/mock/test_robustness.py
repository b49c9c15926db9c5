"""Whatever is sent, the mock answers with a 4xx that it means, and never with a 500."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanflow.catalog.catalog import packaged_catalog

if TYPE_CHECKING:
    from wanflow.mock import MockServer

CATALOG = packaged_catalog()
MODELS = [CATALOG.models[name] for name in sorted(CATALOG.models)]
FIELDS = sorted({field for model in MODELS for field in model.parameters})
assert MODELS

texts = st.text(st.characters(), max_size=30)
jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(
    model=st.sampled_from(MODELS),
    changes=st.dictionaries(st.sampled_from([*FIELDS, "model"]) | texts, jsons, max_size=4),
)
def test_any_json_is_judged(http, judge, model, changes) -> None:
    """Any object is taken or refused as documented, and its answer is valid."""
    content = json.dumps({**model.example, **changes}).encode()
    headers = {"Content-Type": "application/json"}
    answer = http.post(model.path, content=content, headers=headers)
    body = judge(model.operation_id, answer)
    assert answer.status_code in {200, 400, 404}
    if answer.status_code == 200:
        assert http.get(f"/v1/tasks/{body['id']}").status_code == 200


@given(content=st.binary(max_size=200))
def test_any_bytes_are_judged(http, judge, content) -> None:
    """Any body at all is a 400 or 404 in the document's shape."""
    headers = {"Content-Type": "application/json"}
    for model in MODELS[:1]:
        answer = http.post(model.path, content=content, headers=headers)
        assert answer.status_code in {400, 404}
        judge(model.operation_id, answer)


def exchange(server: MockServer, request: bytes, *, ends: bool = True) -> bytes:
    """Send bytes, say that no more come unless they say so, and return all that is answered."""
    with socket.create_connection((server.host, server.port), timeout=10) as connection:
        try:
            connection.sendall(request)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            return b""
        received = b""
        try:
            while piece := connection.recv(65536):
                received += piece
        except ConnectionResetError:
            pass
        return received


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


targets = st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b"").replace(b"\r", b""))


@given(target=targets, value=targets)
def test_any_target_and_header_is_survived(mock, target, value) -> None:
    """Any bytes in the path or in a header are a 4xx, or no HTTP at all."""
    request = (
        b"GET /apiv1/v1/tasks/" + target + b" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
    )
    answered = statuses(exchange(mock, request + b"X-Any: " + value + b"\r\n\r\n"))
    assert answered
    assert set(answered) <= {400, 404, 405}


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50, 400),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET http://x/nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (
            b"POST /apiv1/v1/videos/generations HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
            400,
        ),
        (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \r\n\r\n", 404),
    ],
    ids=range(9),
)
def test_what_is_hardly_http_is_refused(mock, request_bytes, status) -> None:
    """Bytes that are no request, or a strange one, get one plain refusal."""
    assert statuses(exchange(mock, request_bytes)) == [status]


@pytest.mark.parametrize("token", [b"Bearer ", b"Bearer \x7f", b"Bearer \xc3\xa9", b"bearer\tx"])
def test_a_token_of_strange_bytes_is_a_401(mock, token) -> None:
    """A token that is none is refused as one, whatever bytes it has."""
    request = b"GET /apiv1/v1/tasks/x HTTP/1.1\r\nHost: x\r\nAuthorization: " + token + b"\r\n\r\n"
    assert statuses(exchange(mock, request)) in ([401], [400])


def test_pipelined_requests_are_answered_in_order(mock) -> None:
    """Requests sent at once are each answered, in their order."""
    one = b"GET /apiv1/nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    two = b"GET /_mock/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = one.removesuffix(b"\r\n") + b"Connection: close\r\n\r\n"
    assert statuses(exchange(mock, one + two + last, ends=False)) == [404, 200, 404]


def test_a_body_in_pieces_is_read_whole(http, judge) -> None:
    """A body that is sent in chunks is the same body."""
    model = MODELS[0]
    content = httpx.Request("POST", "http://x", json=model.example).content
    pieces: Any = (bytes([byte]) for byte in content)
    answer = http.post(model.path, content=pieces, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    judge(model.operation_id, answer)
