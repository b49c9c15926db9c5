"""The pace of requests: a server's rate limit is no deviation, and its refusals are checked."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from wanflow_contract.support import pace as pace_module
from wanflow_contract.support.exchange import Exchange
from wanflow_contract.support.http_client import RateLimitedClient
from wanflow_contract.support.pace import Pace, RateLimited, wait_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ERROR = {"code": 429, "message": "Rate limit exceeded", "type": "rate_limit_error"}


@contextmanager
def limited(refusals: int, **headers: str) -> Iterator[tuple[str, list[float]]]:
    """Serve 429 so many times, then 200; yield the URL and the times of the requests."""
    times = list[float]()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            times.append(time.monotonic())
            status = 429 if len(times) <= refusals else 200
            content = json.dumps({"error": ERROR} if status == 429 else {}).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", times
        server.shutdown()


def refusal(body: dict[str, Any], *headers: tuple[str, str]) -> Exchange:
    return Exchange("GET", "/", "/", (), b"", 429, headers, json.dumps(body).encode())


def test_a_request_that_a_rate_limit_refuses_is_sent_again_after_the_wait() -> None:
    """The client waits as long as Retry-After says, and each refusal is checked."""
    seen = list[int]()
    with limited(2, Retry_After="1") as (url, times):
        client = RateLimitedClient(url, check_limit=lambda one: seen.append(one.status))
        assert client.send("GET", "/").status == 200
        client.close()
    assert seen == [429, 429]
    assert all(later - before >= 0.9 for before, later in pairwise(times))


def test_a_mock_that_was_asked_for_a_429_is_asked_once() -> None:
    """A test that wants the refusal gets it."""
    with limited(9) as (url, times):
        client = RateLimitedClient(url)
        assert client.send("GET", "/", {"Prefer": "code=429"}).status == 429
        client.close()
    assert len(times) == 1


def test_after_a_refusal_requests_are_sent_more_slowly() -> None:
    """The rate falls once for each wait, not once for each request that was refused in it."""
    pace = Pace()
    for _ in range(20):
        pace.wait()
    for _ in range(5):
        pace.slow_down(refusal({}, ("Retry-After", "0")), 0.3)
    first = pace.rate
    assert 0 < first <= 20
    pace.slow_down(refusal({}), 0.3)
    assert pace.rate <= first


@pytest.mark.parametrize("given", [0.0, 5.0])
def test_requests_become_faster_again(monkeypatch, given) -> None:
    """A refusal now and then must not slow a run of thousands of requests for ever."""
    clock = SimpleNamespace(now=100.0)
    clock.monotonic = lambda: clock.now
    clock.sleep = lambda seconds: setattr(clock, "now", clock.now + max(seconds, 0.001))
    monkeypatch.setattr(pace_module, "time", clock)
    pace = Pace(given)
    for _ in range(20):
        pace.wait()
    for _ in range(10):
        pace.slow_down(refusal({}), 1.0)
        pace.wait()
    lowest, begun = pace.rate, clock.now
    while clock.now < begun + 4:
        pace.wait()
    assert pace.rate == lowest <= 1
    while clock.now < begun + 60:
        pace.wait()
    assert pace.rate == 5 if given else pace.rate > 5


def test_a_wait_longer_than_a_run_can_afford_ends_the_test() -> None:
    """A limit of an hour is no deviation either; what it refuses is skipped."""
    with pytest.raises(RateLimited, match="asks to wait for 3600 s"):
        Pace().slow_down(refusal({}, ("Retry-After", "3600")), 1.0)


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        ({}, (("Retry-After", "7"),), 7),
        ({"error": {**ERROR, "fallback_suggestion": "retry after 60 seconds"}}, (), 60),
        ({"error": ERROR}, (("Retry-After", "soon"),), None),
        ({}, (), None),
    ],
)
def test_the_wait_is_that_of_the_header_or_of_the_suggestion(body, headers, seconds) -> None:
    """Both are documented; the header comes first."""
    assert wait_of(refusal(body, *headers)) == seconds
