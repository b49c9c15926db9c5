"""Any input gets a proper 4xx, and never a 500."""

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
def test_any_json_is_judged(http, validate, model, changes) -> None:
    """Any object is accepted or rejected with a valid response."""
    content = json.dumps({**model.example, **changes}).encode()
    headers = {"Content-Type": "application/json"}
    response = http.post(model.path, content=content, headers=headers)
    body = validate(model.operation_id, response)
    assert response.status_code in {200, 400, 404}
    if response.status_code == 200:
        assert http.get(f"/v1/tasks/{body['id']}").status_code == 200


@given(content=st.binary(max_size=200))
def test_any_bytes_are_judged(http, validate, content) -> None:
    """Any body is a 400 or 404 as documented."""
    headers = {"Content-Type": "application/json"}
    for model in MODELS[:1]:
        response = http.post(model.path, content=content, headers=headers)
        assert response.status_code in {400, 404}
        validate(model.operation_id, response)


def exchange(server: MockServer, request: bytes, *, ends: bool = True) -> bytes:
    """Send bytes, close the sending side if `ends`, and return the whole response."""
    with socket.create_connection((server.host, server.port), timeout=60) as connection:
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


def statuses(response: bytes) -> list[int]:
    return [int(part[:3]) for part in response.split(b"HTTP/1.1 ")[1:]]


targets = st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b"").replace(b"\r", b""))


@given(target=targets, value=targets)
def test_any_target_and_header_is_a_4xx(mock, target, value) -> None:
    """Any bytes in the path or in a header are a 4xx."""
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
def test_malformed_http_is_rejected(mock, request_bytes, status) -> None:
    """Malformed or unusual requests get one error response."""
    assert statuses(exchange(mock, request_bytes)) == [status]


@pytest.mark.parametrize("token", [b"Bearer ", b"Bearer \x7f", b"Bearer \xc3\xa9", b"bearer\tx"])
def test_a_token_with_invalid_bytes_is_a_401(mock, token) -> None:
    """An invalid token is a 401 or 400."""
    request = b"GET /apiv1/v1/tasks/x HTTP/1.1\r\nHost: x\r\nAuthorization: " + token + b"\r\n\r\n"
    assert statuses(exchange(mock, request)) in ([401], [400])


def test_pipelined_requests_get_responses_in_order(mock) -> None:
    """Pipelined requests each get their response, in order."""
    one = b"GET /apiv1/nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    two = b"GET /_mock/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = one.removesuffix(b"\r\n") + b"Connection: close\r\n\r\n"
    assert statuses(exchange(mock, one + two + last, ends=False)) == [404, 200, 404]


def test_a_chunked_body_is_read_completely(http, validate) -> None:
    """A chunked body is the same as one with a content length."""
    model = MODELS[0]
    content = httpx.Request("POST", "http://x", json=model.example).content
    pieces: Any = (bytes([byte]) for byte in content)
    response = http.post(model.path, content=pieces, headers={"Content-Type": "application/json"})
    assert response.status_code == 200
    validate(model.operation_id, response)
