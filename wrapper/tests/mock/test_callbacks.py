"""Callbacks: when they are sent, their content, retries and blocked addresses."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import httpx
import pytest

from tests.plain_http import PLAIN
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer
from wanflow.mock.callbacks.sender import CallbackSender
from wanflow.mock.callbacks.ssrf_guard import SsrfGuard, UrlBlocked, is_loopback
from wanflow.mock.clock import VirtualClock

CATALOG = packaged_catalog()
MODELS = [model for model in CATALOG.models.values() if "callback_url" in model.parameters]
MODEL = next(model for model in MODELS if model.kind == "image")
TIMEOUT = 60

CORPUS = json.loads(Path(__file__).with_name("callback_urls.json").read_text())
HOSTILE = [url for group in CORPUS["hostile"].values() for url in group]
HOSTILE.append("https://example.com/" + "a" * 2048)
GOOD, INTERNAL = CORPUS["good"], CORPUS["internal addresses"]


class Receiver:
    """A callback receiver on loopback: sends chosen statuses, and records the callbacks."""

    def __init__(self) -> None:
        self.received: Queue[tuple[str, dict[str, str], Any]] = Queue()
        self.statuses: list[int | None] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                receiver.received.put((self.path, dict(self.headers), json.loads(body)))
                if status is None:
                    self.connection.close()
                    return
                self.send_response(status)
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Stay silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def server():
    with MockServer(
        clock=VirtualClock(), progression="seconds=60", loopback_callbacks=True
    ) as server:
        yield server


@pytest.fixture
def http(server):
    headers = {"Authorization": "Bearer k"}
    with httpx.Client(base_url=server.base_url, headers=headers, **PLAIN) as http:
        yield http


def submit(http, url, prompt="a cat", model=MODEL, **headers) -> httpx.Response:
    body = {**model.example, "prompt": prompt, "callback_url": url}
    return http.post(model.path, json=body, headers=headers)


def attempts(http, server, count: int) -> list[dict[str, Any]]:
    """Wait until so many attempts have been made."""
    found: list[dict[str, Any]] = []
    for _ in range(2000):
        found = http.get(f"{server.url}/_mock/callbacks").json()["attempts"]
        if len(found) >= count:
            break
    assert len(found) == count, found
    return found


@pytest.fixture(scope="module")
def http_with_loopback():
    """A client of a server with `loopback_callbacks` whose tasks never end."""
    with MockServer(progression="never", loopback_callbacks=True) as server:
        headers = {"Authorization": "Bearer k"}
        with httpx.Client(base_url=server.base_url, headers=headers, **PLAIN) as http:
            yield http


class TestDelivery:
    """What a receiver gets, and when."""

    @pytest.mark.parametrize(
        ("prompt", "status"), [("a cat", "completed"), ("[mock:fail=service_error]", "failed")]
    )
    def test_the_end_of_a_task_causes_a_callback(
        self, server, http, receiver, prompt, status
    ) -> None:
        """At the end, and not before, the body of the task query is sent once."""
        task = submit(http, receiver.url + "?token=x%2Fy", prompt).json()["id"]
        server.clock.advance(59)
        with pytest.raises(Empty):
            receiver.received.get(timeout=0.1)
        server.clock.advance(1)
        path, headers, body = receiver.received.get(timeout=TIMEOUT)
        assert path == "/hook?token=x%2Fy"
        assert headers["Content-Type"] == "application/json"
        assert body["status"] == status
        assert body == http.get(f"/v1/tasks/{task}").json()
        assert attempts(http, server, 1)[0]["problem"] == ""
        assert receiver.received.empty()

    def test_credits_are_charged_before_the_callback(self, server, http, receiver) -> None:
        """When a callback arrives, the credits are already spent."""
        cost = submit(http, receiver.url).json()["usage"]["credits_reserved"]
        server.clock.advance(60)
        receiver.received.get(timeout=TIMEOUT)
        account = http.get(f"{server.url}/_mock/account").json()
        assert (account["reserved"], account["spent"]) == (0, cost)

    def test_by_polls_the_last_poll_causes_the_callback(self, http, receiver) -> None:
        """A task whose progression is by polls ends at a poll, and the callback is sent then."""
        task = submit(http, receiver.url, **{"X-Mock-Progression": "polls=1"}).json()["id"]
        assert receiver.received.empty()
        http.get(f"/v1/tasks/{task}")
        assert receiver.received.get(timeout=TIMEOUT)[2]["id"] == task

    def test_failures_are_retried_after_1_2_and_4_seconds(self, server, http, receiver) -> None:
        """Any response but 2xx is a failure; it is retried three times."""
        receiver.statuses = [500, 404, None, 503, 200]
        submit(http, receiver.url)
        server.clock.advance(60)
        began = server.clock.now()
        for number, pause in enumerate((1, 2, 4), 1):
            receiver.received.get(timeout=TIMEOUT)
            attempts(http, server, number)
            server.clock.advance(pause - 0.01)
            with pytest.raises(Empty):
                receiver.received.get(timeout=0.05)
            server.clock.advance(0.01)
        receiver.received.get(timeout=TIMEOUT)
        seen = attempts(http, server, 4)
        assert [round(one["at"] - began) for one in seen] == [0, 1, 3, 7]
        assert [one["status"] for one in seen] == [500, 404, 0, 503]
        assert all(one["problem"] for one in seen)
        server.clock.advance(1000)
        with pytest.raises(Empty):
            receiver.received.get(timeout=0.1)

    def test_a_retry_can_succeed(self, server, http, receiver) -> None:
        """After a success there are no more retries."""
        receiver.statuses = [500, 204]
        submit(http, receiver.url)
        server.clock.advance(60)
        attempts(http, server, 1)
        server.clock.advance(1)
        assert [one["status"] for one in attempts(http, server, 2)] == [500, 204]
        server.clock.advance(100)
        assert len(attempts(http, server, 2)) == 2

    def test_a_redirect_is_not_followed(self, server, http, receiver) -> None:
        """A 302 is a failure."""
        receiver.statuses = [302]
        submit(http, receiver.url)
        server.clock.advance(60)
        assert attempts(http, server, 1)[0]["problem"] == "responded with 302"

    def test_a_closed_port_is_a_failure(self, server, http) -> None:
        """A refused connection is recorded as an attempt."""
        submit(http, "http://127.0.0.1:9/")
        server.clock.advance(60)
        assert "Error" in attempts(http, server, 1)[0]["problem"]

    def test_no_response_in_10_seconds_is_a_failure(self, server, http) -> None:
        """An attempt without a response times out; here earlier, to save time."""
        assert server.app.callback_sender.timeout == 10
        server.app.callback_sender.timeout = 0.1
        with silent_server() as url:
            submit(http, url)
            server.clock.advance(60)
            assert "no response in" in attempts(http, server, 1)[0]["problem"]

    def test_with_real_time_the_callback_needs_no_poll(self, receiver) -> None:
        """With a real clock the callback is sent without polls."""
        with MockServer(seconds=0.05, loopback_callbacks=True) as server:
            headers = {"Authorization": "Bearer k"}
            with httpx.Client(base_url=server.base_url, headers=headers, **PLAIN) as http:
                task = submit(http, receiver.url).json()["id"]
                assert receiver.received.get(timeout=TIMEOUT)[2]["id"] == task


def silent_server():
    import contextlib
    import socket

    @contextlib.contextmanager
    def listening():
        with socket.create_server(("127.0.0.1", 0)) as silent:
            yield f"http://127.0.0.1:{silent.getsockname()[1]}/"

    return listening()


class TestSubmission:
    """Callback URLs are checked before a task is made."""

    @pytest.mark.parametrize("url", HOSTILE, ids=range(len(HOSTILE)))
    def test_a_hostile_url_is_a_400(self, mock, http_of_session, url) -> None:
        """It is rejected with the parameter's name, in any spelling."""
        for model in MODELS[:1]:
            response = submit(http_of_session, url, model=model)
            assert response.status_code == 400, url
            assert response.json()["error"]["param"] == "callback_url"

    @pytest.mark.parametrize("url", GOOD)
    def test_a_public_url_is_accepted(self, http_of_session, url) -> None:
        """An https URL with a public name or address is accepted."""
        for model in MODELS:
            assert submit(http_of_session, url, model=model).status_code == 200

    def test_the_corpus_is_large(self) -> None:
        """There are at least a hundred hostile URLs and ten good ones."""
        assert len(set(HOSTILE)) >= 100
        assert len(set(GOOD)) >= 10
        assert MODELS

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1/", "https://127.0.0.1/", "http://localhost:1/", "https://[::1]/"]
    )
    def test_loopback_needs_the_option(self, http_with_loopback, http_of_session, url) -> None:
        """Loopback is rejected without `loopback_callbacks`."""
        assert submit(http_of_session, url).status_code == 400
        assert submit(http_with_loopback, url).status_code == 200

    @pytest.mark.parametrize("url", [url for url in HOSTILE if not is_loopback(url)])
    def test_the_option_is_for_loopback_only(self, http_with_loopback, url) -> None:
        """With the option, every other hostile URL is still rejected."""
        assert submit(http_with_loopback, url).status_code == 400, url

    @pytest.fixture
    def http_of_session(self, mock, api_key):
        headers = {"Authorization": f"Bearer {api_key}"}
        with httpx.Client(base_url=mock.base_url, headers=headers, **PLAIN) as http:
            yield http


class TestSsrfGuard:
    """At delivery the URL is checked again, with the resolved addresses."""

    @staticmethod
    def connections(url: str, *addresses: str) -> list[tuple[str, int, str | None]]:
        """Return the connections of a guard for a name with these addresses."""
        connected: list[Any] = []
        resolved: list[str] = []

        async def resolve(host: str, port: int) -> list[str]:
            resolved.append(host)
            return list(addresses)

        async def connect(address: str, port: int, tls: str | None) -> Any:
            connected.append((address, port, tls))

        asyncio.run(SsrfGuard(resolve=resolve, connect=connect).connect_to(url))
        assert len(resolved) == 1
        return connected

    def test_it_connects_to_the_address_that_was_checked(self) -> None:
        """The name is resolved once; the connection uses that address, and the name for TLS."""
        connected = self.connections("https://example.com/x", "93.184.216.34", "2606:4700::1")
        assert connected == [("93.184.216.34", 443, "example.com")]

    def test_the_next_address_is_tried_after_a_failure(self) -> None:
        """If all addresses fail, the last error is raised."""
        attempted: list[str] = []

        async def resolve(host: str, port: int) -> list[str]:
            return ["2606:4700::1", "93.184.216.34"]

        async def connect(address: str, port: int, tls: str | None) -> Any:
            attempted.append(address)
            raise ConnectionRefusedError(address)

        with pytest.raises(ConnectionRefusedError, match="93"):
            asyncio.run(
                SsrfGuard(resolve=resolve, connect=connect).connect_to("https://example.com/")
            )
        assert attempted == ["2606:4700::1", "93.184.216.34"]

    @pytest.mark.parametrize("address", INTERNAL)
    def test_a_name_with_an_internal_address_is_blocked(self, address) -> None:
        """A name that resolves to an internal address is never connected to."""
        with pytest.raises(UrlBlocked, match="internal address"):
            self.connections("https://rebound.example.com/", address)

    @pytest.mark.parametrize("address", INTERNAL)
    def test_one_internal_address_among_public_ones_is_blocked(self, address) -> None:
        """Every address must be public, not just the first."""
        with pytest.raises(UrlBlocked, match="internal address"):
            self.connections("https://rebound.example.com/", "93.184.216.34", address)

    def test_a_name_without_addresses_is_blocked(self) -> None:
        """A name without an address is blocked."""
        with pytest.raises(UrlBlocked, match="no address"):
            self.connections("https://example.com/")

    @pytest.mark.parametrize("url", [url for url in HOSTILE if len(url) < 2048])
    def test_a_hostile_url_is_blocked_at_delivery(self, url) -> None:
        """A hostile URL that passed the submission would be blocked at delivery."""
        with pytest.raises((UrlBlocked, ValueError)):
            self.connections(url, "93.184.216.34")

    @pytest.mark.parametrize("url", GOOD)
    def test_a_public_url_is_connected_to(self, url) -> None:
        """Every accepted URL can be delivered to."""
        assert self.connections(url, "93.184.216.34")

    def test_a_blocked_delivery_is_not_retried(self) -> None:
        """A delivery that the guard blocked is not retried."""

        async def main() -> CallbackSender:
            server = MockServer(clock=VirtualClock())
            gateway = server.gateway

            async def resolve(host: str, port: int) -> list[str]:
                return ["10.0.0.1"]

            sender = CallbackSender(gateway, SsrfGuard(resolve=resolve))
            submission = gateway.api.submit_endpoints[0]
            model = next(iter(submission.models.values()))
            body = {**model.example, "callback_url": "https://rebound.example.com/"}
            account = server.accounts.for_key("k")
            gateway.submit(account, model, body)
            task = next(iter(gateway.tasks))
            sender.schedule(task)
            async with asyncio.timeout(TIMEOUT):
                while not sender.attempts:  # noqa: ASYNC110 - there is no event of an attempt
                    await asyncio.sleep(0)
            gateway.clock.advance(100)
            gateway.scheduler.run_due()
            await asyncio.sleep(0)
            return sender

        attempts = list(asyncio.run(main()).attempts)
        assert len(attempts) == 1
        assert "10.0.0.1" in attempts[0].problem


def test_few_hostile_urls_are_loopback() -> None:
    """The option allows only a few spellings."""
    let_in = [url for url in HOSTILE if is_loopback(url)]
    assert 0 < len(let_in) < 6
