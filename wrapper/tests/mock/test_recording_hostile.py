"""Recording from servers that answer with anything: cookies, bytes in headers, no prices, depth."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
from attrs import define, field
from click.testing import CliRunner

from tests.plain_http import PLAIN
from wanflow.catalog.catalog import packaged_catalog
from wanflow.cli.mock import mock as command
from wanflow.cli.recording import Recording
from wanflow.mock import MockServer
from wanflow.mock.recording.bounds import MOST_DEPTH
from wanflow.mock.recording.life import read_lives

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL = next(one for one in packaged_catalog().models.values() if one.kind == "image")
BODY = dict(MODEL.example)


@define
class Upstream:
    """What a server answers to every request, and the cookies that it was sent."""

    body: Any = field(factory=lambda: {"usage": {"credits_reserved": 1}})
    headers: list[tuple[bytes, bytes]] = field(factory=list[tuple[bytes, bytes]])
    cookies: list[str | None] = field(factory=list[str | None])
    url: str = ""
    status: bytes = b"200 OK"


@contextmanager
def recording(upstream: Upstream, folder: Path, limit: float = 1e6) -> Iterator[str]:
    """Run a server, and a mock that records from it; yield the mock's base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            upstream.cookies.append(self.headers["Cookie"])
            content = json.dumps({"id": f"task-{len(upstream.cookies)}", **upstream.body}).encode()
            lines = [b"HTTP/1.0 " + upstream.status, b"Content-Type: application/json"]
            lines += [name + b": " + value for name, value in upstream.headers]
            self.wfile.write(b"\r\n".join([*lines, b"", content]))

        def log_message(self, *_: Any) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        upstream.url = f"http://127.0.0.1:{listening.server_address[1]}"
        mock = MockServer()
        try:
            with Recording(upstream.url, folder, limit).running(mock), mock:
                yield mock.base_url
        finally:
            listening.shutdown()


def submit(base: str, key: str = "a", body: dict[str, Any] | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(base + MODEL.path, json=body or BODY, headers=headers, **PLAIN)


def test_cookies_of_one_client_are_not_sent_with_requests_of_another(tmp_path) -> None:
    """The recorder passes cookies on, and stores none."""
    upstream = Upstream(headers=[(b"Set-Cookie", b"session=of-a; Path=/")])
    with recording(upstream, tmp_path) as base:
        first = submit(base, "a")
        submit(base, "b")
    assert first.headers["Set-Cookie"] == "session=of-a; Path=/"
    assert upstream.cookies == [None, None]


@pytest.mark.parametrize("value", ["région".encode(), b"r\xe9gion", "地域".encode(), b"\xff\xfe"])
def test_a_paid_response_reaches_the_client_whatever_its_headers_are(tmp_path, value) -> None:
    """Bytes that are no ASCII pass unchanged, and the life is recorded."""
    with recording(Upstream(headers=[(b"X-Region", value)]), tmp_path) as base:
        response = submit(base)
    assert response.status_code == 200
    assert dict(response.headers.raw)[b"x-region"] == value
    assert len(list(read_lives(tmp_path))) == 1


@pytest.mark.parametrize("price", [None, -1, "5", float("nan"), float("-inf"), True, [5]])
def test_a_submission_without_a_price_counts_as_the_most(tmp_path, price) -> None:
    """What a response doesn't say may be more than expected: the most is taken from the limit."""
    with recording(Upstream(body={"usage": {"credits_reserved": price}}), tmp_path, 0.5) as base:
        refused = submit(base)
        most = float(refused.json()["error"]["message"].split(" may cost ")[1].split()[0])
    with recording(
        Upstream(body={"usage": {"credits_reserved": price}}), tmp_path, 2 * most
    ) as base:
        codes = [submit(base).status_code for _ in range(4)]
    assert codes == [200, 200, 402, 402]


@pytest.mark.parametrize("status", [b"400 Bad Request", b"404 Not Found", b"429 Too Many Requests"])
@pytest.mark.parametrize("price", [3, None])
def test_a_rejection_that_reports_a_price_counts(tmp_path, status, price) -> None:
    """A server that charges what it rejects is stopped by the limit; other rejections are free."""
    upstream = Upstream(body={"usage": {"credits_reserved": price}} if price else {}, status=status)
    with recording(upstream, tmp_path, 0.5) as base:
        refused = submit(base)
        most = float(refused.json()["error"]["message"].split(" may cost ")[1].split()[0])
    with recording(upstream, tmp_path, most + 1.5) as base:
        codes = [submit(base).status_code for _ in range(8)]
    sent = codes.count(int(status[:3]))
    assert codes == [int(status[:3])] * sent + [402] * (8 - sent)
    assert sent == 8 if price is None else 0 < sent * price <= most + 1.5


@pytest.mark.parametrize("limit", ["nan", "inf", "-inf", "-1", "many"])
def test_a_limit_that_limits_nothing_is_an_error(tmp_path, limit) -> None:
    """A number that compares with nothing, or is above all, would be no limit."""
    words = ["--port", "0", "--upstream", "a.b", "--record", str(tmp_path / "lives")]
    done = CliRunner().invoke(command, [*words, "--spend-limit", limit])
    assert done.exit_code == 2
    assert "--spend-limit" in done.output
    assert not (tmp_path / "lives").exists()


@pytest.mark.parametrize("key", ["sk-live-0123456789abcdef", "my own key", "Ab1.Cd2.Ef3"])
def test_no_encoding_of_a_key_is_a_name_in_a_file(tmp_path, key) -> None:
    """A server may echo a key as a field's name, in base64, base32, hex, or as a digest."""
    encoders = (base64.b64encode, base64.urlsafe_b64encode, base64.b32encode, base64.b85encode)
    coded = {encode(key.encode()).decode().rstrip("=") for encode in encoders}
    coded |= {key.encode().hex(), sha256(key.encode()).hexdigest()[:40], quote(key, safe="")}
    kept = {"some_name": 1, "someName": 2, "_private": 3, "name2": 4, "x": 5}
    with recording(Upstream(body={**dict.fromkeys([key, *coded], 0), **kept}), tmp_path) as base:
        submit(base, key)
    [path] = tmp_path.glob("life-*.json")
    written = path.read_text()
    assert not [one for one in (key, *coded) if one in written]
    body = json.loads(written)["submission"]["body"]
    assert kept.items() <= body.items()


def _nested(depth: int) -> Any:
    value: Any = "text"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("depth", [MOST_DEPTH - 1, MOST_DEPTH, 400, 700])
def test_a_body_of_any_depth_is_recorded_and_played(tmp_path, depth) -> None:
    """A deeper one than can be read again is recorded by its size."""
    body = {**BODY, "prompt": _nested(depth)}
    with recording(Upstream(body={"more": _nested(depth)}), tmp_path) as base:
        assert submit(base, body=body).status_code == 200
    [life] = read_lives(tmp_path)
    assert ("$body" in life.submission.body) == (depth >= MOST_DEPTH)
    assert (life.request is None) == (depth >= MOST_DEPTH)
    with MockServer(replay=tmp_path) as mock:
        assert submit(mock.base_url, body=body).status_code == 200
