"""The mock's own HTTP server, by plain sockets: order, ends, bounds, and who has to wait."""

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


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


@pytest.fixture
def line(mock):
    with socket.create_connection((mock.host, mock.port), timeout=10) as connection:
        yield connection


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
    """Answers come in the order of their requests, whatever some of them wait for."""

    def test_a_slow_answer_holds_back_those_after_it(self, line) -> None:
        """A request that waits is answered before those sent behind it."""
        line.sendall(SLOW + HEALTH + LAST)
        assert statuses(read_all(line)) == [404, 200, 200]

    def test_many_requests_at_once_are_all_answered(self, line) -> None:
        """More than are read ahead, behind one that waits: none is lost."""
        line.sendall(SLOW + HEALTH * 3000 + LAST)
        assert statuses(read_all(line)) == [404] + [200] * 3001

    def test_other_connections_are_not_held_back(self, mock, line) -> None:
        """Who waits, waits alone."""
        line.sendall(SLOW)
        with socket.create_connection((mock.host, mock.port), timeout=10) as other:
            begun = time.monotonic()
            other.sendall(LAST)
            assert statuses(read_all(other)) == [200]
            assert time.monotonic() - begun < 0.25

    def test_a_client_that_takes_nothing_does_not_fill_the_memory(self, mock, line) -> None:
        """Once its buffers are full its requests are read no more, and go on when it reads."""
        line.setblocking(False)
        sent, document = 0, HEALTH.replace(b"health", b"openapi.json")
        with suppress(BlockingIOError):
            while sent < 1 << 26:
                sent += line.send(document * 100)
        line.setblocking(True)
        assert sent < 1 << 25
        read_until(line, b'"openapi"')


class TestEnd:
    """How a connection ends, and what doesn't end it."""

    def test_half_closed_it_is_answered(self, line) -> None:
        """A client that has said everything still hears the answer, waited for or not."""
        line.sendall(SLOW + HEALTH)
        line.shutdown(socket.SHUT_WR)
        assert statuses(read_all(line)) == [404, 200]

    def test_http_1_0_is_answered_and_closed(self, line) -> None:
        """The old protocol gets one answer per connection."""
        line.sendall(b"GET /_mock/health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answer = read_all(line)
        assert statuses(answer) == [200]
        assert b"connection: close" in answer

    def test_an_offer_to_upgrade_is_passed_over(self, line) -> None:
        """A request that offers HTTP/2 is answered in HTTP/1.1, and so is the next."""
        offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n\r\n"
        line.sendall(HEALTH.removesuffix(b"\r\n") + offer + LAST)
        assert statuses(read_all(line)) == [200, 200]

    def test_many_offers_at_once_are_passed_over(self, line) -> None:
        """Thousands in one piece are thousands of answers."""
        offer = HEALTH.removesuffix(b"\r\n") + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        line.sendall(offer * 3000 + LAST)
        assert statuses(read_all(line)) == [200] * 3001

    @pytest.mark.parametrize("chunked", [False, True])
    @pytest.mark.parametrize("apart", [False, True])
    def test_an_offer_with_a_body_keeps_it(self, line, chunked, apart) -> None:
        """A client that offers HTTP/2 with its first POST, as Java's does, has it read."""
        body = json.dumps(dict(MODEL.example)).encode()
        head = post(len(body), "Connection: Upgrade", "Upgrade: h2c", "Expect: 100-continue")
        if chunked:
            head = re.sub(rb"Content-Length: [0-9]+", b"Transfer-Encoding: chunked", head)
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        line.sendall(head if apart else head + body)
        go_on = read_until(line, b"\r\n\r\n") if apart else b""
        line.sendall((body if apart else b"") + LAST)
        told = statuses(go_on + read_all(line))
        assert told == [100, 200, 200]

    def test_an_offer_with_the_last_body_ends_the_connection(self, line) -> None:
        """What else its Connection header says still holds."""
        line.sendall(post(2, "Connection: close, Upgrade", "Upgrade: h2c") + b"{}" + HEALTH)
        assert statuses(read_all(line)) == [400]

    def test_after_what_is_no_http_nothing_is_answered(self, line) -> None:
        """One refusal in JSON, in its turn, and the end."""
        line.sendall(SLOW + b"nonsense\r\n\r\n" + HEALTH)
        answer = read_all(line)
        assert statuses(answer) == [404, 400]
        assert answer.endswith(b'"type":"invalid_request_error"}}')

    def test_silent_connections_are_closed(self, mock) -> None:
        """What the server finds idle twice it closes; who speaks in between stays."""
        server = Server(mock.app, lambda: None)
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
    """What is too large is refused before it is held."""

    @pytest.mark.parametrize("length", [MAX_BODY_SIZE + 1, 10**15])
    def test_a_body_announced_too_large_is_refused_at_once(self, line, length) -> None:
        """Nobody has to send it first."""
        line.sendall(post(length))
        assert statuses(read_until(line, b"}}")) == [413]

    def test_the_connection_outlives_a_body_that_is_too_large(self, line) -> None:
        """The rest of it is passed over, and the next request is answered."""
        line.sendall(post(MAX_BODY_SIZE + 1) + b" " * (MAX_BODY_SIZE + 1) + LAST)
        assert statuses(read_all(line)) == [413, 200]

    @pytest.mark.parametrize("length", [MAX_HEAD_SIZE, 3 * MAX_HEAD_SIZE, 2 * MAX_BODY_SIZE])
    def test_the_end_of_a_long_body_is_taken_for_no_head(self, line, length) -> None:
        """A body that comes in large pieces is answered once, and the next request after it."""
        line.sendall(post(length))
        time.sleep(0.05)
        line.sendall(b"[" + b" " * (length - 2) + b"]" + LAST)
        assert statuses(read_all(line)) == [413 if length > MAX_BODY_SIZE else 400, 200]

    def test_a_body_in_chunks_is_bounded_too(self, line) -> None:
        """Nothing is announced, and still no more is taken than is allowed."""
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        head = post(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        line.sendall(head + chunk * 17 + b"0\r\n\r\n" + LAST)
        assert statuses(read_all(line)) == [413, 200]

    def test_a_head_without_end_is_refused(self, line) -> None:
        """Headers have a bound: 431, and the end."""
        line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        try:
            for _ in range(4):
                line.sendall(b"a" * MAX_HEAD_SIZE)
                time.sleep(0.02)
        except OSError:
            pass  # it has hung up
        try:
            answered = statuses(read_all(line))
        except ConnectionResetError:
            answered = [431]  # the refusal was overtaken by the end
        assert answered == [431]

    def test_a_client_that_asks_first_is_told_to_go_on(self, line) -> None:
        """Expect: 100-continue is answered, and then the request; a huge body is not asked for."""
        line.sendall(post(2, "Expect: 100-continue"))
        assert read_until(line, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(b"{}")
        assert statuses(read_until(line, b"}}")) == [400]
        line.sendall(post(MAX_BODY_SIZE + 1, "Expect: 100-continue"))
        assert statuses(read_until(line, b"}}")) == [413]

    def test_the_old_protocol_is_not_told_to_go_on(self, line) -> None:
        """HTTP/1.0 knows no 100, so it gets one answer only."""
        line.sendall(post(2, "Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0") + b"{}")
        assert statuses(read_all(line)) == [400]


class TestHeads:
    """What every answer says of itself."""

    def test_the_date_is_now(self, line) -> None:
        """An answer carries the present second."""
        line.sendall(LAST)
        head = read_all(line).partition(b"\r\n\r\n")[0]
        date = next(part for part in head.split(b"\r\n") if part.startswith(b"date: "))
        now = time.time()
        said = time.mktime(time.strptime(date.decode(), "date: %a, %d %b %Y %H:%M:%S GMT"))
        assert abs(said - time.mktime(time.gmtime(now))) < 5

    def test_a_head_alone_has_no_body(self, line) -> None:
        """HEAD is answered as GET would be, without the body."""
        line.sendall(LAST.replace(b"GET", b"HEAD").replace(b"/_mock/health", b"/_mock/"))
        head, _, body = read_all(line).partition(b"\r\n\r\n")
        assert b"content-length: 0" not in head
        assert body == b""


class _Asked:
    """An application that says what it was asked, after a look at another thread."""

    async def respond(self, request) -> Response:
        done = await asyncio.get_running_loop().run_in_executor(None, threading.get_ident)
        told = asyncio.current_task() is not None
        return Response(200, f"{request.method} {request.path} {done > 0} {told}".encode())


def test_any_application_may_be_served() -> None:
    """The server asks for no more than `respond`, which may wait for what it likes."""
    server = Server(_Asked(), lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        address = bound.getsockname()
        thread = threading.Thread(target=run, args=(server, bound))
        thread.start()
        assert server.ready(10)
        with socket.create_connection(address, timeout=10) as line:
            line.sendall(b"PUT http://x/a?b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = read_all(line)
        server.stop()
        thread.join(10)
    assert answer.endswith(b"PUT /a True True")


class TestHeadstart:
    """A coroutine begun outside a task goes on in one as if nothing had been."""

    def test_it_waits_as_often_as_it_likes(self) -> None:
        """Results and errors of what it waits for reach it."""

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

            async def rest() -> list[str]:
                return await resume_coroutine(begun, wanted)

            return await asyncio.create_task(rest())

        assert asyncio.run(main()) == ["zero", "thread", "error"]

    def test_a_cancellation_reaches_it(self) -> None:
        """What it has to tidy up is tidied up."""
        seen = []

        async def work() -> None:
            try:
                await asyncio.sleep(100)
            finally:
                seen.append("tidied")

        async def main() -> None:
            begun = work()
            wanted = begun.send(None)

            async def rest() -> None:
                await resume_coroutine(begun, wanted)

            task = asyncio.create_task(rest())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())
        assert seen == ["tidied"]


AT_ONCE = struct.pack("ii", 1, 0)
SLOW_FAULTS = (
    "latency=0.1", "latency=0.1,drip=0.01", "latency=0.1,reset", "drip=0.01", "reset-in-body",
    "reset-after-headers", "stall-in-body", "wrong-length=5", "empty", "lost-response", "stall",
)  # fmt: skip


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_client_that_leaves_is_no_error(caplog, monkeypatch, loop) -> None:
    """Whoever goes before the answer, or in the midst of it, leaves nothing in any log."""
    if loop == "asyncio":
        monkeypatch.setitem(sys.modules, "uvloop", None)
    else:
        pytest.importorskip("uvloop")
    with MockServer() as server:
        for fault in SLOW_FAULTS:
            for pause in (0.0, 0.03):
                line = socket.create_connection((server.host, server.port), timeout=5)
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                line.sendall(SLOW.replace(b"latency=0.3", fault.encode()) + HEALTH * 9)
                time.sleep(pause)
                line.close()
        time.sleep(0.4)
        with socket.create_connection((server.host, server.port), timeout=5) as line:
            line.sendall(LAST)
            assert statuses(read_all(line)) == [200]
    assert [record.getMessage() for record in caplog.records] == []


def test_head_has_no_body_whatever_goes_wrong(mock, http) -> None:
    """A refusal on its slow way is announced, and not sent."""
    file = http.post(
        MODEL.path, json=dict(MODEL.example), headers={"X-Mock-Progression": "immediately"}
    )
    link = http.get(f"/v1/tasks/{file.json()['id']}").json()["results"][0]
    path = link.removeprefix(mock.url).encode()
    fault = b"X-Mock-Fault: status=404,drip=0.001\r\n\r\n"
    with socket.create_connection((mock.host, mock.port), timeout=5) as line:
        line.sendall(b"HEAD " + path + b" HTTP/1.1\r\nHost: localhost\r\n" + fault + LAST)
        first, second, health = read_all(line).split(b"\r\n\r\n")
    assert statuses(first) == [404]
    assert int(re.findall(rb"content-length: ([0-9]+)", first)[0]) > 0
    assert second.startswith(b"HTTP/1.1 200")
    assert health.startswith(b"{")


def test_a_stalled_request_ends_with_its_server() -> None:
    """Neither a stall nor a long pause keeps a server from ending, or leaves a thread."""
    before = threading.active_count()
    with MockServer() as server:
        lines = []
        for fault in ("stall", "latency=600"):
            line = socket.create_connection((server.host, server.port), timeout=5)
            line.sendall(SLOW.replace(b"latency=0.3", fault.encode()))
            lines.append(line)
        time.sleep(0.1)
        begun = time.monotonic()
    assert time.monotonic() - begun < 3
    assert threading.active_count() == before
    for line in lines:
        line.close()
