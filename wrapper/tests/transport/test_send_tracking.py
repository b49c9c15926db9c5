"""Whether a request was sent is decided only by the bytes that were written to a connection."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import anyio
import pytest
import trustme
from attrs import evolve

from tests.sockets import reserved_port
from tests.transport.misbehaving_server import (
    OK,
    MisbehavingServer,
    drips,
    hangs,
    resets,
    responds,
)
from tests.transport.test_guarantees import KEY, body
from tests.waiting import TIME_LIMIT, wait_until
from wanflow import errors
from wanflow._core.effects import Request, RunBlocking, SendTracker, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wanflow._core.effects import Flow, Response

POST = Request("POST", "/v1/x", b"{}", {"content-type": "application/json"})


def send_flow(
    tracker: SendTracker, before: Callable[[], Any] | None = None, timeout: float | None = None
) -> Flow[Response]:
    """Send a POST."""
    act = None if before is None else RunBlocking(before)
    return (yield evolve(POST, timeout=timeout, before=act, tracker=tracker))


def client_of(runner: Any, url: str, **options: Any) -> Any:
    """Return a client that sends nothing again."""
    return runner.client(api_key=KEY, base_url=url, **{"retry_timeout": 0, **options})


def run_flow(runner: Any, client: Any, flow: Flow[Response]) -> Response:
    """Run a flow with a client's own driver."""
    response: Response = runner.do(client._driver.run, flow)
    return response


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a listener that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def hanging_up() -> Iterator[str]:
    """The address of a listener that closes each connection immediately."""
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


def untrusted_context() -> ssl.SSLContext:
    """Return the TLS context of a server that no client trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


UNSENT = (
    "no such host",
    "a closed port",
    "TLS to a silent server",
    "TLS to a server that hangs up",
    "TLS to a server of plain HTTP",
    "an untrusted certificate",
    "an unreachable proxy",
    "a tunnel that stays silent",
)


@pytest.fixture(params=UNSENT)
def unreachable(
    request: pytest.FixtureRequest, silent: str, hanging_up: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """A base URL and options with which a submission fails before its first byte is sent."""
    with (
        reserved_port() as port,
        MisbehavingServer(post=[responds(OK)]) as plain,
        MisbehavingServer(post=[responds(OK)], tls=untrusted_context()) as secret,
    ):
        yield {
            "no such host": ("http://api.invalid", {}),
            "a closed port": (f"http://127.0.0.1:{port}", {}),
            "TLS to a silent server": (f"https://{silent}", {}),
            "TLS to a server that hangs up": (f"https://{hanging_up}", {}),
            "TLS to a server of plain HTTP": (plain.url.replace("http:", "https:"), {}),
            "an untrusted certificate": (secret.url, {}),
            "an unreachable proxy": (plain.url, {"proxy": f"http://127.0.0.1:{port}"}),
            "a tunnel that stays silent": (secret.url, {"proxy": f"http://{silent}"}),
        }[request.param]
        assert plain.count("POST") + secret.count("POST") == 0


def test_an_error_before_the_first_byte_means_not_sent(
    unreachable: tuple[str, dict[str, Any]], runner: Any
) -> None:
    """The error and the tracker say so, whatever the original exception is."""
    url, options = unreachable
    client = client_of(runner, url, timeout=2, **options)
    tracker = SendTracker()
    with pytest.raises(TransportError) as caught:
        run_flow(runner, client, send_flow(tracker))
    assert (caught.value.maybe_sent, tracker.maybe_sent) == (False, False)
    with pytest.raises(errors.ConnectionFailed):
        runner.do(client.submit, body())


def test_an_error_after_the_first_byte_means_maybe_sent(runner: Any) -> None:
    """The server has the request or a part of it; the exception's type doesn't show which."""
    with MisbehavingServer(post=[resets()]) as server:
        client, tracker = client_of(runner, server.url), SendTracker()
        with pytest.raises(TransportError) as caught:
            run_flow(runner, client, send_flow(tracker))
        assert (caught.value.maybe_sent, tracker.maybe_sent) == (True, True)


def test_before_runs_once_the_request_has_a_slot(runner: Any) -> None:
    """While the only connection is in use, a waiting request runs nothing, and then times out."""
    done: list[str] = []
    tried = threading.Event()

    def hangs_meanwhile(_: socket.socket) -> bool:
        tried.wait(TIME_LIMIT)
        return False

    with MisbehavingServer(post=[hangs_meanwhile, responds(OK)]) as server:
        client = client_of(runner, server.url, max_connections=1)

        def fail() -> None:
            with pytest.raises(TransportError):
                run_flow(runner, client, send_flow(SendTracker(), lambda: done.append("first")))

        first = threading.Thread(target=fail)
        first.start()
        wait_until(lambda: server.count("POST"))
        tracker = SendTracker()
        with pytest.raises(TransportError, match="waiting for one of 1 connections"):
            run_flow(runner, client, send_flow(tracker, lambda: done.append("second"), 0.2))
        assert done == ["first"]
        assert not tracker.maybe_sent
        tried.set()
        first.join()
        assert (
            run_flow(runner, client, send_flow(tracker, lambda: done.append("third"))).status == 200
        )
        assert done == ["first", "third"]


def test_an_exception_of_before_cancels_the_request(runner: Any) -> None:
    """It is raised unchanged; nothing is sent, and the slot is released."""

    class Cancelled(Exception): ...

    def cancel() -> None:
        raise Cancelled

    with MisbehavingServer(post=[responds(OK)]) as server:
        client = client_of(runner, server.url, max_connections=1)
        for _ in range(3):
            tracker = SendTracker()
            with pytest.raises(Cancelled):
                run_flow(runner, client, send_flow(tracker, cancel))
            assert not tracker.maybe_sent
        assert server.count("POST") == 0
        assert run_flow(runner, client, send_flow(SendTracker())).status == 200


def test_before_does_not_run_without_a_connection_pool(runner: Any) -> None:
    """If the pool can't be created, no intent is recorded."""
    done: list[int] = []
    with MisbehavingServer(post=[responds(OK)]) as server:
        client = client_of(runner, server.url)
        transport = client._driver._transport
        transport._api._options = evolve(transport._api._options, proxy="ftp://127.0.0.1:1")
        tracker = SendTracker()
        with pytest.raises(TransportError) as caught:
            run_flow(runner, client, send_flow(tracker, lambda: done.append(1)))
        assert (caught.value.maybe_sent, tracker.maybe_sent, done) == (False, False, [])


@pytest.mark.parametrize("location", ["http://[::1", "http://a.example:x/", "/\x01", "/ü"])
def test_a_redirect_is_a_response_whatever_its_location(location: str, runner: Any) -> None:
    """The transport returns it, and doesn't interpret it."""
    moved = b"HTTP/1.1 302 X\r\nContent-Length: 2\r\nLocation: %s\r\n\r\n{}"
    with MisbehavingServer(post=[responds(moved % location.encode())]) as server:
        found = run_flow(runner, client_of(runner, server.url), send_flow(SendTracker()))
        assert (found.status, found.headers["location"], found.content) == (302, location, b"{}")


@pytest.mark.parametrize(
    "raw",
    [
        b"\x1b[31mNO HTTP\r\n\r\n",
        b"HTTP/1.1 200 \x1b]0;title\x07\r\nContent-Length: x\x1b[2J\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA\x1b[0m: b\r\n\r\n",
        b"\xff\xfe\x9b31m \xe2\x80\xa8\r\n\r\n",
    ],
)
def test_the_reason_of_a_transport_error_is_printable(raw: bytes, runner: Any) -> None:
    """The library's own exception may contain what the server sent."""
    with MisbehavingServer(post=[responds(raw, keep=False)]) as server:
        with pytest.raises(TransportError) as caught:
            run_flow(runner, client_of(runner, server.url), send_flow(SendTracker()))
        assert caught.value.reason.isprintable()


@pytest.mark.parametrize("slow", ["sends nothing", "drips"])
def test_the_timeout_of_a_send_request_limits_it(slow: str, runner: Any) -> None:
    """It outcomes in time, though the client's timeout is longer and bytes keep arriving."""
    with MisbehavingServer() as server:
        act = drips(OK, server.done) if slow == "drips" else hangs(server.done)
        server._acts["POST"].append(act)
        client = client_of(runner, server.url, timeout=10 * TIME_LIMIT)
        begun = time.monotonic()
        with pytest.raises(TransportError):
            run_flow(runner, client, send_flow(SendTracker(), timeout=0.5))
        assert time.monotonic() - begun < TIME_LIMIT


MANY = 12
ITERATIONS = 7
"""More iterations of the event loop than a submission takes before it is sent."""


class IdleConnections:
    """Connections that the server closes when the test says so."""

    def __init__(self) -> None:
        self._waiting = 0
        self._changed = threading.Condition()
        self._command, self._receiver = socket.socketpair()

    def responds(self, connection: socket.socket) -> bool:
        """Send a response, and wait for the next request or the end of the connection."""
        connection.sendall(OK)
        with self._changed:
            self._waiting += 1
        # `select` takes no descriptor above 1,023, which a process of many tests may have.
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        poll.register(self._receiver, select.POLLIN)
        more = connection.fileno() in dict(poll.poll())
        if not more:
            connection.shutdown(socket.SHUT_RDWR)
        with self._changed:
            self._waiting -= 1
            self._changed.notify_all()
        return more

    def close(self) -> None:
        """Close the connections that are idle, and return when all are closed."""
        self._command.sendall(b"x")
        with self._changed:
            assert self._changed.wait_for(lambda: self._waiting == 0, timeout=30)
            self._receiver.recv(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._command.close()
        self._receiver.close()


def submit_in_threads(client: Any, idle: IdleConnections) -> list[Any]:
    """Submit in many threads after idle connections were closed, and return the outcomes."""
    idle.close()

    def submit(_: int) -> Any:
        try:
            return client.submit(body())
        except errors.WanflowError as error:
            return error

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(submit, range(MANY)))


async def submit_in_tasks(client: Any, idle: IdleConnections, iterations: int) -> list[Any]:
    """Submit in many tasks, and block the event loop until idle connections are closed.

    It is blocked after some iterations, because a submission takes several before it is sent.
    """
    outcomes: list[Any] = []

    async def submit() -> None:
        try:
            outcomes.append(await client.submit(body()))
        except errors.WanflowError as error:
            outcomes.append(error)

    async def block() -> None:
        for _ in range(iterations):
            await anyio.lowlevel.checkpoint()
        idle.close()  # it blocks the loop, as a busy program does

    async with anyio.create_task_group() as group:
        group.start_soon(block)
        for _ in range(MANY):
            group.start_soon(submit)
    return outcomes


def test_no_submission_is_sent_on_a_closed_connection(runner: Any) -> None:
    """The server closed every idle connection while the program couldn't notice it."""
    with MisbehavingServer() as server, IdleConnections() as idle:
        server.add("POST", idle.responds)
        client = client_of(runner, server.url, retry_timeout=TIME_LIMIT)
        # After its check httpx runs one more iteration of asyncio's loop, which may block.
        slow = runner.name == "asyncio" and runner.backend == "AsyncHttpxBackend"
        busy = (0, 0) if slow else range(ITERATIONS)
        for times, iterations in enumerate(busy, 1):
            if runner.name == "sync":
                outcomes = runner.do(submit_in_threads, client, idle)
            else:
                outcomes = runner.do(submit_in_tasks, client, idle, iterations)
            assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
            assert server.count("POST") == MANY * times
