"""The mock's HTTP server, tested with sockets: order, closing, limits and waiting."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import sys
import threading
import time
from contextlib import suppress

import pytest

from tests.waiting import TIME_LIMIT
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer
from wanflow.mock.http.connection import Connection, resume_coroutine
from wanflow.mock.http.parser import MAX_HEAD_SIZE
from wanflow.mock.http.request import MAX_BODY_SIZE
from wanflow.mock.http.response import Response
from wanflow.mock.http.server import Server, run

CATALOG = packaged_catalog()
MODEL = next(iter(CATALOG.models.values()))
PATH = "/apiv1" + MODEL.path
HEALTH = b"GET /_mock/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = HEALTH.removesuffix(b"\r\n") + b"Connection: close\r\n\r\n"
SLOW = (
    b"GET /apiv1/v1/tasks/task-unified-1-x HTTP/1.1\r\nHost: x\r\n"
    b"Authorization: Bearer k\r\nX-Mock-Fault: latency=0.3\r\n\r\n"
)


def post(length: int | str, *more: str) -> bytes:
    lines = [f"POST {PATH} HTTP/1.1", "Host: x", "Authorization: Bearer k"]
    lines += ["Content-Type: application/json", f"Content-Length: {length}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def statuses(response: bytes) -> list[int]:
    return [int(part[:3]) for part in response.split(b"HTTP/1.1 ")[1:]]


@pytest.fixture
def connection(mock):
    with socket.create_connection((mock.host, mock.port), timeout=60) as opened:
        yield opened


def read_all(connection: socket.socket) -> bytes:
    received = b""
    while piece := connection.recv(1 << 16):
        received += piece
    return received


def read_until(connection: socket.socket, mark: bytes) -> bytes:
    received = b""
    while mark not in received:
        piece = connection.recv(1 << 16)
        assert piece, received
        received += piece
    return received


class TestOrder:
    """Responses come in the order of their requests, even if some are delayed."""

    def test_a_slow_response_delays_those_after_it(self, connection) -> None:
        """A delayed response comes before those of later requests."""
        connection.sendall(SLOW + HEALTH + LAST)
        assert statuses(read_all(connection)) == [404, 200, 200]

    def test_many_pipelined_requests_all_get_responses(self, connection) -> None:
        """After a delayed one, more requests than are read ahead: none is lost."""
        connection.sendall(SLOW + HEALTH * 3000 + LAST)
        assert statuses(read_all(connection)) == [404] + [200] * 3001

    def test_other_connections_are_not_delayed(self, mock, connection) -> None:
        """A delayed response affects only its own connection."""
        connection.sendall(SLOW.replace(b"latency=0.3", b"latency=600"))
        with socket.create_connection((mock.host, mock.port), timeout=60) as other:
            other.sendall(LAST)
            assert statuses(read_all(other)) == [200]

    def test_a_client_that_does_not_read_does_not_fill_the_memory(self, mock, connection) -> None:
        """Once the buffers are full, its requests are read only after it has read responses."""
        connection.setblocking(False)
        sent, document = 0, HEALTH.replace(b"health", b"openapi.json")
        with suppress(BlockingIOError):
            while sent < 1 << 26:
                sent += connection.send(document * 100)
        connection.setblocking(True)
        assert sent < 1 << 25
        read_until(connection, b'"openapi"')


class TestEnd:
    """What closes a connection, and what doesn't."""

    def test_a_half_closed_connection_gets_its_responses(self, connection) -> None:
        """A client that has closed its sending side still gets all responses."""
        connection.sendall(SLOW + HEALTH)
        connection.shutdown(socket.SHUT_WR)
        assert statuses(read_all(connection)) == [404, 200]

    def test_http_1_0_gets_one_response(self, connection) -> None:
        """An HTTP/1.0 connection is closed after its response."""
        connection.sendall(b"GET /_mock/health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        response = read_all(connection)
        assert statuses(response) == [200]
        assert b"connection: close" in response

    def test_an_upgrade_header_is_ignored(self, connection) -> None:
        """The response to a request with an upgrade to HTTP/2 is HTTP/1.1, and so is the next."""
        offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n\r\n"
        connection.sendall(HEALTH.removesuffix(b"\r\n") + offer + LAST)
        assert statuses(read_all(connection)) == [200, 200]

    def test_many_pipelined_upgrade_headers_are_ignored(self, connection) -> None:
        """Each of thousands of pipelined requests gets its response."""
        offer = HEALTH.removesuffix(b"\r\n") + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        connection.sendall(offer * 3000 + LAST)
        assert statuses(read_all(connection)) == [200] * 3001

    @pytest.mark.parametrize("chunked", [False, True])
    @pytest.mark.parametrize("apart", [False, True])
    def test_an_upgrade_with_a_body_is_read(self, connection, chunked, apart) -> None:
        """The body of a POST with an upgrade header, as Java sends it, is read."""
        body = json.dumps(dict(MODEL.example)).encode()
        head = post(len(body), "Connection: Upgrade", "Upgrade: h2c", "Expect: 100-continue")
        if chunked:
            head = re.sub(rb"Content-Length: [0-9]+", b"Transfer-Encoding: chunked", head)
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        connection.sendall(head if apart else head + body)
        go_on = read_until(connection, b"\r\n\r\n") if apart else b""
        connection.sendall((body if apart else b"") + LAST)
        received = statuses(go_on + read_all(connection))
        assert received == [100, 200, 200]

    def test_connection_close_beside_an_upgrade_is_respected(self, connection) -> None:
        """The other values of its Connection header apply."""
        connection.sendall(post(2, "Connection: close, Upgrade", "Upgrade: h2c") + b"{}" + HEALTH)
        assert statuses(read_all(connection)) == [400]

    def test_after_invalid_http_the_connection_is_closed(self, connection) -> None:
        """There is one JSON error, in order, and no more responses."""
        connection.sendall(SLOW + b"nonsense\r\n\r\n" + HEALTH)
        response = read_all(connection)
        assert statuses(response) == [404, 400]
        assert response.endswith(b'"type":"invalid_request_error"}}')

    def test_idle_connections_are_closed(self, mock) -> None:
        """A connection that is idle at two checks is closed; one in use is kept."""
        server = Server(mock.app.respond, lambda: None)
        closed = []
        for idle in (True, False):
            connection = Connection(server._state)
            connection.idle = idle
            connection.close_gracefully = lambda idle=idle: closed.append(idle)  # type: ignore[method-assign]
            server._state.connections.add(connection)
        server._close_idle()
        assert closed == [True]
        assert all(connection.idle for connection in server._state.connections)


class TestBounds:
    """What is too large is rejected before it is stored."""

    @pytest.mark.parametrize("length", [MAX_BODY_SIZE + 1, 10**15])
    def test_a_content_length_that_is_too_large_is_rejected_immediately(
        self, connection, length
    ) -> None:
        """The response comes before the body is sent."""
        connection.sendall(post(length))
        assert statuses(read_until(connection, b"}}")) == [413]

    def test_the_connection_is_kept_after_a_body_that_is_too_large(self, connection) -> None:
        """The rest of it is skipped, and the next request gets its response."""
        connection.sendall(post(MAX_BODY_SIZE + 1) + b" " * (MAX_BODY_SIZE + 1) + LAST)
        assert statuses(read_all(connection)) == [413, 200]

    @pytest.mark.parametrize("length", [MAX_HEAD_SIZE, 3 * MAX_HEAD_SIZE, 2 * MAX_BODY_SIZE])
    def test_the_end_of_a_long_body_is_not_read_as_a_head(self, connection, length) -> None:
        """A body in large parts gets one response, and so does the next request."""
        connection.sendall(post(length))
        time.sleep(0.05)
        connection.sendall(b"[" + b" " * (length - 2) + b"]" + LAST)
        assert statuses(read_all(connection)) == [413 if length > MAX_BODY_SIZE else 400, 200]

    def test_a_chunked_body_is_limited(self, connection) -> None:
        """Without a content length, the same limit applies."""
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        head = post(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        connection.sendall(head + chunk * 17 + b"0\r\n\r\n" + LAST)
        assert statuses(read_all(connection)) == [413, 200]

    def test_an_endless_head_is_rejected(self, connection) -> None:
        """Beyond the limit for headers, the response is 431 and the connection is closed."""
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        try:
            for _ in range(4):
                connection.sendall(b"a" * MAX_HEAD_SIZE)
                time.sleep(0.02)
        except OSError:
            pass  # the server has closed the connection
        try:
            received = statuses(read_all(connection))
        except ConnectionResetError:
            received = [431]  # the reset came before the response
        assert received == [431]

    def test_expect_continue_gets_100(self, connection) -> None:
        """Expect: 100-continue gets 100, or 413 if the body is too large."""
        connection.sendall(post(2, "Expect: 100-continue"))
        assert read_until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert statuses(read_until(connection, b"}}")) == [400]
        connection.sendall(post(MAX_BODY_SIZE + 1, "Expect: 100-continue"))
        assert statuses(read_until(connection, b"}}")) == [413]

    def test_http_1_0_gets_no_100(self, connection) -> None:
        """HTTP/1.0 has no 100, so there is one response."""
        connection.sendall(
            post(2, "Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0") + b"{}"
        )
        assert statuses(read_all(connection)) == [400]


class TestHeads:
    """The headers of each response."""

    def test_the_date_is_now(self, connection) -> None:
        """The Date header is the current time."""
        connection.sendall(LAST)
        head = read_all(connection).partition(b"\r\n\r\n")[0]
        date = next(part for part in head.split(b"\r\n") if part.startswith(b"date: "))
        now = time.time()
        said = time.mktime(time.strptime(date.decode(), "date: %a, %d %b %Y %H:%M:%S GMT"))
        assert abs(said - time.mktime(time.gmtime(now))) < TIME_LIMIT

    def test_a_head_request_gets_no_body(self, connection) -> None:
        """The response to HEAD is that to GET, without the body."""
        connection.sendall(LAST.replace(b"GET", b"HEAD").replace(b"/_mock/health", b"/_mock/"))
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
        assert b"content-length: 0" not in head
        assert body == b""

    def test_spaces_around_a_header_value_are_no_part_of_it(self, connection) -> None:
        """A value is read without the spaces and tabs around it."""
        head = b"GET /apiv1/v1/tasks/task-unified-1-x HTTP/1.1\r\nHost: x\r\n"
        connection.sendall(head + b"Authorization:\t Bearer k \t \r\nConnection: close \r\n\r\n")
        assert statuses(read_all(connection)) == [404]

    @pytest.mark.parametrize("slash", ["%2F", "%2f"])
    def test_an_encoded_slash_separates_no_parts_of_a_path(self, connection, slash) -> None:
        """An encoded slash belongs to a name; other encoded characters are what they encode."""
        key = "HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
        paths = (f"/apiv1/v1/tasks{slash}task-unified-1-x", "/apiv1/v1/t%61sks/task-unified-1-x")
        connection.sendall(
            f"GET {paths[0]} {key}\r\nGET {paths[1]} {key}Connection: close\r\n\r\n".encode()
        )
        answer = read_all(connection)
        assert statuses(answer) == [404, 404]
        assert answer.count(b"Invalid URL (") == 1


class _Echo:
    """An application that responds with the request, after work in another thread."""

    async def respond(self, request) -> Response:
        loop, waits = asyncio.get_running_loop(), threading.Event()
        loop.call_soon(waits.set)  # since 3.14, work that has ended isn't waited for
        done = await loop.run_in_executor(None, waits.wait)
        in_task = asyncio.current_task() is not None
        return Response(200, f"{request.method} {request.path} {done} {in_task}".encode())


def test_any_application_can_be_served() -> None:
    """The server needs only `respond`, which may await anything."""
    server = Server(_Echo().respond, lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        address = bound.getsockname()
        thread = threading.Thread(target=run, args=(server, bound))
        thread.start()
        assert server.ready(60)
        with socket.create_connection(address, timeout=60) as connection:
            connection.sendall(b"PUT http://x/a?b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            response = read_all(connection)
        server.stop()
        thread.join(60)
    assert response.endswith(b"PUT /a True True")


class TestResumeCoroutine:
    """A coroutine that was started outside a task continues in a task."""

    def test_it_may_await_several_times(self) -> None:
        """It gets the results and errors of what it awaits."""

        async def work() -> list[str]:
            seen = [str(await asyncio.sleep(0, "zero"))]
            loop = asyncio.get_running_loop()
            seen.append(await loop.run_in_executor(None, lambda: "thread"))
            try:
                await loop.run_in_executor(None, lambda: 1 // 0)
            except ZeroDivisionError:
                seen.append("error")
            return seen

        async def main() -> list[str]:
            begun = work()
            wanted = begun.send(None)

            async def continue_it() -> list[str]:
                return await resume_coroutine(begun, wanted)

            return await asyncio.create_task(continue_it())

        assert asyncio.run(main()) == ["zero", "thread", "error"]

    def test_it_can_be_cancelled(self) -> None:
        """Its `finally` blocks run."""
        seen = []

        async def work() -> None:
            try:
                await asyncio.sleep(100)
            finally:
                seen.append("cleaned up")

        async def main() -> None:
            begun = work()
            wanted = begun.send(None)

            async def continue_it() -> None:
                await resume_coroutine(begun, wanted)

            task = asyncio.create_task(continue_it())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())
        assert seen == ["cleaned up"]


RESET_ON_CLOSE = struct.pack("ii", 1, 0)
SLOW_FAULTS = (
    "latency=0.1", "latency=0.1,drip=0.01", "latency=0.1,reset", "drip=0.01", "reset-in-body",
    "reset-after-headers", "stall-in-body", "wrong-length=5", "empty", "lost-response", "stall",
)  # fmt: skip


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_disconnect_is_not_logged(caplog, monkeypatch, loop) -> None:
    """A client that disconnects before or during the response causes no log record."""
    if loop == "asyncio":
        monkeypatch.setitem(sys.modules, "uvloop", None)
    else:
        pytest.importorskip("uvloop")
    with MockServer() as server:
        for fault in SLOW_FAULTS:
            for pause in (0.0, 0.03):
                connection = socket.create_connection((server.host, server.port), timeout=60)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                connection.sendall(SLOW.replace(b"latency=0.3", fault.encode()) + HEALTH * 9)
                time.sleep(pause)
                connection.close()
        time.sleep(0.4)
        with socket.create_connection((server.host, server.port), timeout=60) as connection:
            connection.sendall(LAST)
            assert statuses(read_all(connection)) == [200]
    assert [record.getMessage() for record in caplog.records] == []


def test_an_error_to_head_has_no_body(mock, http) -> None:
    """An error response to HEAD has its headers and no body."""
    file = http.post(
        MODEL.path, json=dict(MODEL.example), headers={"X-Mock-Progression": "immediately"}
    )
    link = http.get(f"/v1/tasks/{file.json()['id']}").json()["results"][0]
    path = link.removeprefix(mock.url).encode()
    fault = b"X-Mock-Fault: status=404,drip=0.001\r\n\r\n"
    with socket.create_connection((mock.host, mock.port), timeout=60) as connection:
        connection.sendall(b"HEAD " + path + b" HTTP/1.1\r\nHost: localhost\r\n" + fault + LAST)
        first, second, health = read_all(connection).split(b"\r\n\r\n")
    assert statuses(first) == [404]
    assert int(re.findall(rb"content-length: ([0-9]+)", first)[0]) > 0
    assert second.startswith(b"HTTP/1.1 200")
    assert health.startswith(b"{")


def test_a_stalled_request_does_not_delay_the_stop() -> None:
    """Neither a stall nor a long delay keeps the server from stopping, or leaves a thread."""
    before = threading.active_count()
    with MockServer() as server:
        connections = []
        for fault in ("stall", "latency=600"):
            connection = socket.create_connection((server.host, server.port), timeout=60)
            connection.sendall(SLOW.replace(b"latency=0.3", fault.encode()))
            connections.append(connection)
        time.sleep(0.1)  # so that the requests have usually arrived
        begun = time.monotonic()
    assert time.monotonic() - begun < TIME_LIMIT
    assert threading.active_count() == before
    for connection in connections:
        connection.close()
