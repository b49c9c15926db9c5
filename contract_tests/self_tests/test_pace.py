"""The pace of requests: a server's rate limit is no deviation, and its refusals are checked."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from self_tests.reference_server.variants import Interrupted
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.support import pace as pace_module
from wanflow_contract.support.exchange import Exchange
from wanflow_contract.support.http_client import RateLimitedClient
from wanflow_contract.support.interruptions import Interruptions
from wanflow_contract.support.pace import Pace, RateLimited, wait_of
from wanflow_contract.support.target_options import TargetOptions

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
        client = RateLimitedClient(url, check_refusal=lambda one: seen.append(one.status))
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


def unavailable(times: int, status: int = 503, **headers: str) -> tuple[list[int], Exchange]:
    """Return which responses are checked, and the last one, of a server so often unavailable."""
    answers = [Exchange("GET", "/", "/", tuple(headers.items()), b"", status, (), b"")] * times
    answers += [Exchange("GET", "/", "/", (), b"", 200, (), b"")] * 20
    seen, interruptions, left = list[int](), Interruptions(), iter(answers)
    with patch("time.sleep"):
        last = interruptions.send(lambda: next(left), lambda one: seen.append(one.status))
    assert interruptions.gone == ({str(status): len(seen)} if last.status == 200 and seen else {})
    return seen, last


@pytest.mark.parametrize("status", [502, 503])
def test_a_server_that_is_not_available_for_a_moment_is_asked_again(status) -> None:
    """What it said before is checked like any response; what it says each time is its response."""
    assert unavailable(0, status)[0] == []
    for times in (1, 2, 3):
        seen, last = unavailable(times, status)
        assert (seen, last.status) == ([status] * times, 200)
    assert unavailable(4, status)[1].status == status


def test_other_failures_and_what_a_mock_is_asked_for_are_not_asked_for_again() -> None:
    """500 is the failure of a request; `Prefer: code=503` asks for just that."""
    assert unavailable(1, 500)[1].status == 500
    assert unavailable(1, 504)[1].status == 504
    assert unavailable(1, 503, prefer="code=503")[1].status == 503


def test_a_server_that_is_never_available_is_not_asked_again_for_long() -> None:
    """After three requests that got nothing else, each is sent once."""
    sent, interruptions = list[int](), Interruptions()

    def once() -> Exchange:
        sent.append(1)
        return Exchange("GET", "/", "/", (), b"", 503, (), b"")

    with patch("time.sleep"):
        for _ in range(10):
            interruptions.send(once, lambda _one: None)
    assert len(sent) == 3 * 4 + 7
    assert not interruptions.gone


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_a_server_that_is_often_not_available_is_asked_until_it_answers(rate) -> None:
    """At a rate of 20 %, one of 600 requests gets four such responses in a row."""
    chance, interruptions = Random(1), Interruptions()

    def once(always: bool = False) -> Exchange:
        status = 503 if always or chance.random() < rate else 200
        return Exchange("GET", "/", "/", (), b"", status, (), b"")

    with patch("time.sleep") as slept:
        sent = [interruptions.send(once, lambda _one: None).status for _ in range(8000)]
        before = slept.call_count
        always = partial(once, always=True)
        wrong = [interruptions.send(always, lambda _one: None).status for _ in range(100)]
    assert Counter(sent) == {200: 8000}
    assert interruptions.gone.total() > 8000 * rate / 2
    assert Counter(wrong) == {503: 100}, "what is so each time is judged"
    assert slept.call_count - before == 3 * 7, "and not waited for again and again"


def test_each_attempt_of_a_submission_counts_for_the_limit() -> None:
    """A server may charge for what it answers with 503."""
    with Interrupted("key-0001", "key-0002") as server:
        options = TargetOptions(server.origin + server.base, "key-0001", spend_limit=50.0)
        with options.target() as target:
            model, number = target.usual_model, 0
            while not target.client.interruptions.gone and number < 60:
                made, number = target.post(model, cheapest(model)).json(), number + 1
            sent = number + target.client.interruptions.gone.total()
            price = made["usage"]["credits_reserved"]
            assert number < 60, "it was always available"
            assert target.budget.spent_here >= sent * price - 0.01


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
