"""Laws of what was sent: decided by the bytes that a connection was handed, and by nothing else."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trustme
from attrs import evolve

from tests.transport.misbehaving_server import (
    OK,
    MisbehavingServer,
    drips,
    hangs,
    resets,
    responds,
    task,
)
from tests.transport.test_guarantees import KEY, body
from wanflow import errors
from wanflow._core.effects import Request, RunBlocking, SendRequest, SendTracker, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wanflow._core.effects import Flow, Response

POST = Request("POST", "/v1/x", b"{}", {"content-type": "application/json"})


def sends(
    tracker: SendTracker, before: Callable[[], Any] | None = None, timeout: float | None = None
) -> Flow[Response]:
    """Send a POST."""
    act = None if before is None else RunBlocking(before)
    return (yield SendRequest(POST, timeout, act, tracker))


def client_of(runner: Any, url: str, **options: Any) -> Any:
    """A client that waits for nothing long."""
    return runner.client(api_key=KEY, base_url=url, **{"timeout": 2, "retry_timeout": 0, **options})


def play(runner: Any, client: Any, flow: Flow[Response]) -> Response:
    """Play a flow with a client's own driver."""
    reply: Response = runner.do(client._driver.run, flow)
    return reply


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a listener that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def hanging_up() -> Iterator[str]:
    """The address of a listener that ends each connection at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            while True:
                try:
                    listener.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=hang_up, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def nobody() -> str:
    """The address of a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def strangers() -> ssl.SSLContext:
    """The context of a server that no client trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


UNSENT = (
    "no such host",
    "nobody listens",
    "TLS to a silent server",
    "TLS to a server that hangs up",
    "TLS to a server of plain HTTP",
    "an untrusted certificate",
    "a proxy that isn't there",
    "a tunnel that stays silent",
)


@pytest.fixture(params=UNSENT)
def unreachable(
    request: pytest.FixtureRequest, silent: str, hanging_up: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """A base URL and options by which no submission gets as far as its first byte."""
    with (
        MisbehavingServer(post=[responds(OK)]) as plain,
        MisbehavingServer(post=[responds(OK)], tls=strangers()) as secret,
    ):
        yield {
            "no such host": ("http://api.invalid", {}),
            "nobody listens": (f"http://{nobody()}", {}),
            "TLS to a silent server": (f"https://{silent}", {}),
            "TLS to a server that hangs up": (f"https://{hanging_up}", {}),
            "TLS to a server of plain HTTP": (plain.url.replace("http:", "https:"), {}),
            "an untrusted certificate": (secret.url, {}),
            "a proxy that isn't there": (plain.url, {"proxy": f"http://{nobody()}"}),
            "a tunnel that stays silent": (secret.url, {"proxy": f"http://{silent}"}),
        }[request.param]
        assert plain.count("POST") + secret.count("POST") == 0


def test_what_goes_wrong_before_the_first_byte_is_not_sent(
    unreachable: tuple[str, dict[str, Any]], runner: Any
) -> None:
    """Whatever the exception: the error says that nothing was sent, and so does the tracker."""
    url, options = unreachable
    client = client_of(runner, url, **options)
    tracker = SendTracker()
    with pytest.raises(TransportError) as caught:
        play(runner, client, sends(tracker))
    assert (caught.value.maybe_sent, tracker.maybe_sent) == (False, False)
    with pytest.raises(errors.ConnectionFailed):
        runner.do(client.submit, body())


def test_what_goes_wrong_after_the_first_byte_may_have_been_sent(runner: Any) -> None:
    """The server has the whole request, or a part of it; no exception's kind says which."""
    with MisbehavingServer(post=[resets()]) as server:
        client, tracker = client_of(runner, server.url), SendTracker()
        with pytest.raises(TransportError) as caught:
            play(runner, client, sends(tracker))
        assert (caught.value.maybe_sent, tracker.maybe_sent) == (True, True)


def test_what_comes_before_a_request_is_done_once_it_has_a_slot(runner: Any) -> None:
    """While the only connection is taken, what waits for it has done nothing, and then gives up."""
    done: list[str] = []
    with MisbehavingServer(post=[responds(OK)], get=[task("completed")]) as server:
        server._acts["POST"].appendleft(hangs(server.done))
        client = client_of(runner, server.url, max_connections=1, timeout=2)

        def fail() -> None:
            with pytest.raises(TransportError):
                play(runner, client, sends(SendTracker(), lambda: done.append("first")))

        first = threading.Thread(target=fail)
        first.start()
        while server.count("POST") == 0:
            server.done.wait(0.01)
        tracker = SendTracker()
        with pytest.raises(TransportError, match="waiting for one of 1 connections"):
            play(runner, client, sends(tracker, lambda: done.append("second"), 0.2))
        assert done == ["first"]
        assert not tracker.maybe_sent
        first.join()
        assert play(runner, client, sends(tracker, lambda: done.append("third"))).status == 200
        assert done == ["first", "third"]


def test_what_comes_before_a_request_can_call_it_off(runner: Any) -> None:
    """Whatever it raises leaves the Send as it is; nothing is sent, and the slot is given back."""

    class CalledOff(Exception): ...

    def call_off() -> None:
        raise CalledOff

    with MisbehavingServer(post=[responds(OK)]) as server:
        client = client_of(runner, server.url, max_connections=1)
        for _ in range(3):
            tracker = SendTracker()
            with pytest.raises(CalledOff):
                play(runner, client, sends(tracker, call_off))
            assert not tracker.maybe_sent
        assert server.count("POST") == 0
        assert play(runner, client, sends(SendTracker())).status == 200


def test_nothing_comes_before_a_request_that_can_have_no_connection(runner: Any) -> None:
    """Where not even a pool can be made, there is no intent."""
    done: list[int] = []
    with MisbehavingServer(post=[responds(OK)]) as server:
        client = client_of(runner, server.url)
        wire = client._driver._transport
        wire._api._options = evolve(wire._api._options, proxy="ftp://127.0.0.1:1")
        tracker = SendTracker()
        with pytest.raises(TransportError) as caught:
            play(runner, client, sends(tracker, lambda: done.append(1)))
        assert (caught.value.maybe_sent, tracker.maybe_sent, done) == (False, False, [])


@pytest.mark.parametrize("location", ["http://[::1", "http://a.example:x/", "/\x01", "/ü"])
def test_a_redirect_is_a_response_wherever_it_leads(location: str, runner: Any) -> None:
    """It came whole, and what it means is not for the transport to say."""
    moved = b"HTTP/1.1 302 X\r\nContent-Length: 2\r\nLocation: %s\r\n\r\n{}"
    with MisbehavingServer(post=[responds(moved % location.encode())]) as server:
        found = play(runner, client_of(runner, server.url), sends(SendTracker()))
        assert (found.status, found.headers["location"], found.content) == (302, location, b"{}")


@pytest.mark.parametrize(
    "said",
    [
        b"\x1b[31mNO HTTP\r\n\r\n",
        b"HTTP/1.1 200 \x1b]0;title\x07\r\nContent-Length: x\x1b[2J\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA\x1b[0m: b\r\n\r\n",
        b"\xff\xfe\x9b31m \xe2\x80\xa8\r\n\r\n",
    ],
)
def test_what_a_server_says_steers_no_terminal(said: bytes, runner: Any) -> None:
    """Though the transport's own error repeats it."""
    with MisbehavingServer(post=[responds(said, keep=False)]) as server:
        with pytest.raises(TransportError) as caught:
            play(runner, client_of(runner, server.url), sends(SendTracker()))
        assert caught.value.reason.isprintable()


@pytest.mark.parametrize("slow", ["nothing", "drips"])
def test_a_sends_own_timeout_bounds_it(slow: str, runner: Any) -> None:
    """A second is a second, though the client would grant more, and though bytes keep coming."""
    with MisbehavingServer() as server:
        act = drips(OK, server.done) if slow == "drips" else hangs(server.done)
        server._acts["POST"].append(act)
        client, begun = client_of(runner, server.url, timeout=30), time.monotonic()
        with pytest.raises(TransportError):
            play(runner, client, sends(SendTracker(), timeout=0.5))
        assert time.monotonic() - begun < 10


MANY = 12
TURNS = 7
"""So many turns of its event loop a submission takes at most before it is sent, and some more."""
IDLE = 0.5
"""Seconds that the server keeps an idle connection."""


def answers_and_idles(connection: socket.socket) -> bool:
    """Answer, and end the connection when nothing comes for a while."""
    connection.sendall(OK)
    connection.settimeout(IDLE)
    more = bool(connection.recv(1, socket.MSG_PEEK))
    connection.settimeout(None)  # one that has begun to ask may be slow
    return more


def submits_together(client: Any) -> list[Any]:
    """Wait until kept connections have ended, and submit many in threads → what each came to."""
    time.sleep(IDLE + 0.3)

    def submit(_: int) -> Any:
        try:
            return client.submit(body())
        except errors.WanflowError as error:
            return error

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(submit, range(MANY)))


async def submits_at_the_same_time(client: Any, turns: int) -> list[Any]:
    """Submit many in tasks, and keep the event loop busy until kept connections have ended.

    So it is from its turn of some number on: a submission takes several of them before it is sent.
    """
    ends: list[Any] = []

    async def submit() -> None:
        try:
            ends.append(await client.submit(body()))
        except errors.WanflowError as error:
            ends.append(error)

    async def be_busy() -> None:
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        time.sleep(IDLE + 0.3)  # noqa: ASYNC251 - it is what a busy program does

    async with anyio.create_task_group() as group:
        group.start_soon(be_busy)
        for _ in range(MANY):
            group.start_soon(submit)
    return ends


def test_no_submission_goes_out_on_a_connection_that_has_ended(runner: Any) -> None:
    """Though the end of every kept connection came while nobody could take note of it."""
    with MisbehavingServer(post=[answers_and_idles]) as server:
        client = client_of(runner, server.url, timeout=10, retry_timeout=10)
        # httpx gives asyncio's loop one more turn after the look, in which it may be busy.
        slow = runner.name == "asyncio" and runner.backend == "AsyncHttpxBackend"
        busy = (0, 0) if slow else range(TURNS)
        for times, turns in enumerate(busy, 1):
            if runner.name == "sync":
                ends = runner.do(submits_together, client)
            else:
                ends = runner.do(submits_at_the_same_time, client, turns)
            assert [end for end in ends if isinstance(end, Exception)] == []
            assert server.count("POST") == MANY * times
