"""Callbacks: when they are sent, what they say, how often, and where they never go."""

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

from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer
from wanflow.mock.callbacks.sender import CallbackSender
from wanflow.mock.callbacks.ssrf_guard import SsrfGuard, UrlBlocked, is_loopback
from wanflow.mock.clock import VirtualClock

CATALOG = packaged_catalog()
MODELS = [model for model in CATALOG.models.values() if "callback_url" in model.parameters]
MODEL = next(model for model in MODELS if model.kind == "image")
PATIENCE = 10

CORPUS = json.loads(Path(__file__).with_name("callback_urls.json").read_text())
HOSTILE = [url for group in CORPUS["hostile"].values() for url in group]
HOSTILE.append("https://example.com/" + "a" * 2048)
GOOD, INTERNAL = CORPUS["good"], CORPUS["internal addresses"]


class Receiver:
    """A callback's receiver on loopback: answers what it is told, and hands out what it got."""

    def __init__(self) -> None:
        self.got: Queue[tuple[str, dict[str, str], Any]] = Queue()
        self.answers: list[int | None] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.answers.pop(0) if receiver.answers else 200
                receiver.got.put((self.path, dict(self.headers), json.loads(body)))
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
    with httpx.Client(base_url=server.base_url, headers=headers, verify=False) as http:
        yield http


def submit(http, url, prompt="a cat", model=MODEL, **headers) -> httpx.Response:
    body = {**model.example, "prompt": prompt, "callback_url": url}
    return http.post(model.path, json=body, headers=headers)


def attempts(http, server, count: int) -> list[dict[str, Any]]:
    """Wait until so many tries have been made."""
    found: list[dict[str, Any]] = []
    for _ in range(2000):
        found = http.get(f"{server.url}/_mock/callbacks").json()["attempts"]
        if len(found) >= count:
            break
    assert len(found) == count, found
    return found


@pytest.fixture(scope="module")
def allowing():
    """A client of a server with the flag, whose tasks never end."""
    with MockServer(progression="never", loopback_callbacks=True) as server:
        headers = {"Authorization": "Bearer k"}
        with httpx.Client(base_url=server.base_url, headers=headers, verify=False) as http:
            yield http


class TestDelivery:
    """What a receiver gets."""

    @pytest.mark.parametrize(
        ("prompt", "status"), [("a cat", "completed"), ("[mock:fail=service_error]", "failed")]
    )
    def test_the_end_of_a_task_is_told(self, server, http, receiver, prompt, status) -> None:
        """At the end, and not before, the body of the task query is posted once."""
        task = submit(http, receiver.url + "?token=x%2Fy", prompt).json()["id"]
        server.clock.advance(59)
        with pytest.raises(Empty):
            receiver.got.get(timeout=0.1)
        server.clock.advance(1)
        path, headers, body = receiver.got.get(timeout=PATIENCE)
        assert path == "/hook?token=x%2Fy"
        assert headers["Content-Type"] == "application/json"
        assert body["status"] == status
        assert body == http.get(f"/v1/tasks/{task}").json()
        assert attempts(http, server, 1)[0]["problem"] == ""
        assert receiver.got.empty()

    def test_billing_comes_first(self, server, http, receiver) -> None:
        """When a receiver hears of a task, its credits are already spent."""
        cost = submit(http, receiver.url).json()["usage"]["credits_reserved"]
        server.clock.advance(60)
        receiver.got.get(timeout=PATIENCE)
        account = http.get(f"{server.url}/_mock/account").json()
        assert (account["reserved"], account["spent"]) == (0, cost)

    def test_by_looks_it_is_the_last_look_that_tells(self, http, receiver) -> None:
        """A task without a time of its own ends at a query, and is told then."""
        task = submit(http, receiver.url, **{"X-Mock-Progression": "polls=1"}).json()["id"]
        assert receiver.got.empty()
        http.get(f"/v1/tasks/{task}")
        assert receiver.got.get(timeout=PATIENCE)[2]["id"] == task

    def test_failures_are_tried_again_after_1_2_and_4_seconds(self, server, http, receiver) -> None:
        """Any answer but 2xx is a failure; three more tries follow, and no fourth."""
        receiver.answers = [500, 404, None, 503, 200]
        submit(http, receiver.url)
        server.clock.advance(60)
        began = server.clock.now()
        for number, pause in enumerate((1, 2, 4), 1):
            receiver.got.get(timeout=PATIENCE)
            attempts(http, server, number)
            server.clock.advance(pause - 0.01)
            with pytest.raises(Empty):
                receiver.got.get(timeout=0.05)
            server.clock.advance(0.01)
        receiver.got.get(timeout=PATIENCE)
        seen = attempts(http, server, 4)
        assert [round(one["at"] - began) for one in seen] == [0, 1, 3, 7]
        assert [one["status"] for one in seen] == [500, 404, 0, 503]
        assert all(one["problem"] for one in seen)
        server.clock.advance(1000)
        with pytest.raises(Empty):
            receiver.got.get(timeout=0.1)

    def test_a_second_try_can_succeed(self, server, http, receiver) -> None:
        """After a success nothing more is sent."""
        receiver.answers = [500, 204]
        submit(http, receiver.url)
        server.clock.advance(60)
        attempts(http, server, 1)
        server.clock.advance(1)
        assert [one["status"] for one in attempts(http, server, 2)] == [500, 204]
        server.clock.advance(100)
        assert len(attempts(http, server, 2)) == 2

    def test_a_redirect_is_not_followed(self, server, http, receiver) -> None:
        """A 302 is a failure like any other."""
        receiver.answers = [302]
        submit(http, receiver.url)
        server.clock.advance(60)
        assert attempts(http, server, 1)[0]["problem"] == "responded with 302"

    def test_nobody_listening_is_a_failure(self, server, http) -> None:
        """A closed port is noted and tried again."""
        submit(http, "http://127.0.0.1:9/")
        server.clock.advance(60)
        assert "Error" in attempts(http, server, 1)[0]["problem"]

    def test_silence_is_a_failure_after_10_seconds(self, server, http) -> None:
        """A receiver that says nothing is given up; here after less, to save time."""
        assert server.app.callback_sender.timeout == 10
        server.app.callback_sender.timeout = 0.1
        with socket_that_says_nothing() as url:
            submit(http, url)
            server.clock.advance(60)
            assert "no response in" in attempts(http, server, 1)[0]["problem"]

    def test_on_a_running_clock_it_comes_by_itself(self, receiver) -> None:
        """With real time nobody has to look or to move anything."""
        with MockServer(seconds=0.05, loopback_callbacks=True) as server:
            headers = {"Authorization": "Bearer k"}
            with httpx.Client(base_url=server.base_url, headers=headers, verify=False) as http:
                task = submit(http, receiver.url).json()["id"]
                assert receiver.got.get(timeout=PATIENCE)[2]["id"] == task


def socket_that_says_nothing():
    import contextlib
    import socket

    @contextlib.contextmanager
    def listening():
        with socket.create_server(("127.0.0.1", 0)) as silent:
            yield f"http://127.0.0.1:{silent.getsockname()[1]}/"

    return listening()


class TestSubmission:
    """URLs that are refused before a task is made of them."""

    @pytest.mark.parametrize("url", HOSTILE, ids=range(len(HOSTILE)))
    def test_a_hostile_url_is_a_400(self, mock, http_of_session, url) -> None:
        """It is refused with the parameter's name, in whatever spelling it comes."""
        for model in MODELS[:1]:
            answer = submit(http_of_session, url, model=model)
            assert answer.status_code == 400, url
            assert answer.json()["error"]["param"] == "callback_url"

    @pytest.mark.parametrize("url", GOOD)
    def test_a_good_url_is_taken(self, http_of_session, url) -> None:
        """A public name or address in https is accepted."""
        for model in MODELS:
            assert submit(http_of_session, url, model=model).status_code == 200

    def test_there_are_enough_of_both(self) -> None:
        """At least a hundred hostile spellings and ten good ones."""
        assert len(set(HOSTILE)) >= 100
        assert len(set(GOOD)) >= 10
        assert MODELS

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1/", "https://127.0.0.1/", "http://localhost:1/", "https://[::1]/"]
    )
    def test_this_machine_needs_the_flag(self, allowing, http_of_session, url) -> None:
        """Loopback is refused unless the server was told to allow it."""
        assert submit(http_of_session, url).status_code == 400
        assert submit(allowing, url).status_code == 200

    @pytest.mark.parametrize("url", [url for url in HOSTILE if not is_loopback(url)])
    def test_the_flag_is_for_this_machine_only(self, allowing, url) -> None:
        """With the flag, every other hostile URL is refused as ever."""
        assert submit(allowing, url).status_code == 400, url

    @pytest.fixture
    def http_of_session(self, mock, api_key):
        headers = {"Authorization": f"Bearer {api_key}"}
        with httpx.Client(base_url=mock.base_url, headers=headers, verify=False) as http:
            yield http


class TestDoor:
    """At delivery everything is checked again, with the addresses that a name really has."""

    @staticmethod
    def opened(url: str, *addresses: str) -> list[tuple[str, int, str | None]]:
        """Return where a door connects to for a name of these addresses."""
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
        """One resolution, and the connection goes to its answer, with the name for TLS."""
        connected = self.opened("https://example.com/x", "93.184.216.34", "2606:4700::1")
        assert connected == [("93.184.216.34", 443, "example.com")]

    def test_an_address_where_nobody_answers_is_passed_over(self) -> None:
        """The next one is tried, and the last one's refusal is the door's."""
        tried: list[str] = []

        async def resolve(host: str, port: int) -> list[str]:
            return ["2606:4700::1", "93.184.216.34"]

        async def connect(address: str, port: int, tls: str | None) -> Any:
            tried.append(address)
            raise ConnectionRefusedError(address)

        with pytest.raises(ConnectionRefusedError, match="93"):
            asyncio.run(
                SsrfGuard(resolve=resolve, connect=connect).connect_to("https://example.com/")
            )
        assert tried == ["2606:4700::1", "93.184.216.34"]

    @pytest.mark.parametrize("address", INTERNAL)
    def test_a_name_with_an_internal_address_is_refused(self, address) -> None:
        """A name that is, or was rebound to, something internal is never connected to."""
        with pytest.raises(UrlBlocked, match="internal address"):
            self.opened("https://rebound.example.com/", address)

    @pytest.mark.parametrize("address", INTERNAL)
    def test_one_internal_address_among_public_ones_is_enough(self, address) -> None:
        """Every address must be public, not just the first."""
        with pytest.raises(UrlBlocked, match="internal address"):
            self.opened("https://rebound.example.com/", "93.184.216.34", address)

    def test_a_name_without_addresses_is_refused(self) -> None:
        """Nothing to connect to is a refusal."""
        with pytest.raises(UrlBlocked, match="no address"):
            self.opened("https://example.com/")

    @pytest.mark.parametrize("url", [url for url in HOSTILE if len(url) < 2048])
    def test_a_hostile_url_is_refused_here_too(self, url) -> None:
        """Had one got past the submission, it would not get past the door."""
        with pytest.raises((UrlBlocked, ValueError)):
            self.opened(url, "93.184.216.34")

    @pytest.mark.parametrize("url", GOOD)
    def test_a_good_url_is_connected_to(self, url) -> None:
        """What may be submitted may be delivered to."""
        assert self.opened(url, "93.184.216.34")

    def test_a_closed_door_is_not_tried_again(self) -> None:
        """A refusal of the mock's own is final."""

        async def main() -> CallbackSender:
            server = MockServer(clock=VirtualClock())
            gateway = server.gateway

            async def resolve(host: str, port: int) -> list[str]:
                return ["10.0.0.1"]

            courier = CallbackSender(gateway, SsrfGuard(resolve=resolve))
            submission = gateway.api.submit_endpoints[0]
            model = next(iter(submission.models.values()))
            body = {**model.example, "callback_url": "https://rebound.example.com/"}
            account = server.accounts.for_key("k")
            gateway.submit(account, model, body)
            task = next(iter(gateway.tasks))
            courier.schedule(task)
            async with asyncio.timeout(PATIENCE):
                while not courier.attempts:  # noqa: ASYNC110 - nothing tells of an attempt
                    await asyncio.sleep(0)
            gateway.clock.advance(100)
            gateway.scheduler.run_due()
            await asyncio.sleep(0)
            return courier

        attempts = list(asyncio.run(main()).attempts)
        assert len(attempts) == 1
        assert "10.0.0.1" in attempts[0].problem


def test_hardly_any_hostile_url_is_this_machine() -> None:
    """What the flag lets in is a handful of plain spellings."""
    let_in = [url for url in HOSTILE if is_loopback(url)]
    assert 0 < len(let_in) < 6
