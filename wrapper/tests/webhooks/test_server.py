"""The callback server: slow, large or many connections never block other ones."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.plain_http import PLAIN
from tests.waiting import TIME_LIMIT
from tests.webhooks.conftest import FakeApi, FakeClock, callback_body, task_response
from wanflow import Client
from wanflow.errors import ConfigurationError
from wanflow.webhooks import Receiver, TaskDone
from wanflow.webhooks.server import CallbackServer

if TYPE_CHECKING:
    from collections.abc import Iterator

ID = "task-unified-1"
JSON_OF = b"host: x\r\ncontent-type: application/json\r\n"
TIMEOUT = 1.5
"""Of a connection, where it ends the connection; elsewhere it is so long that it ends none."""
MAX_CONNECTIONS = 100


class ListeningReceiver:
    """A receiver with a server on a port, and ways to send callbacks to it."""

    def __init__(self, client: Client, api: FakeApi, connection_timeout: float) -> None:
        self.api = api
        self.ended = threading.Event()
        self.handled: list[TaskDone] = []
        self.receiver = Receiver(
            "a secret of sixteen",
            "http://127.0.0.1/callbacks",
            client=client,
            on_task_done=self._record,
            allow_local=True,
        )
        self.receiver.link_task("job", ID)
        self.path = "/callbacks/" + self.receiver.url("job").rpartition("/")[2]
        self.server = CallbackServer(
            self.receiver.app,
            connection_timeout=connection_timeout,
            max_connections=MAX_CONNECTIONS,
        )

    def _record(self, event: TaskDone) -> None:
        self.handled.append(event)
        self.ended.set()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.server.port), timeout=TIME_LIMIT)

    def head(self, path: str | None = None, **headers: str) -> bytes:
        """Return the head of a callback request."""
        fields = {"host": "x", "content-type": "application/json", **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        return f"POST {path or self.path} HTTP/1.1\r\n{lines}\r\n".encode()

    def call(self, path: str | None = None, body: bytes | None = None) -> int:
        """Send a correct callback."""
        content = callback_body() if body is None else body
        with self.connect() as connection:
            connection.sendall(self.head(path, content_length=str(len(content))) + content)
            return status_of(connection)


def status_of(connection: socket.socket) -> int:
    """Read the status of a response, 0 if the connection was closed without one."""
    response = connection.recv(4096)
    return int(response.split(b" ", 2)[1]) if response else 0


@pytest.fixture
def receiving(request: pytest.FixtureRequest) -> Iterator[ListeningReceiver]:
    """A server whose connections last as long as a test, or as the test's parameter says."""
    api = FakeApi(FakeClock(), {ID: [task_response(ID)]})
    with Client("key", "http://api.invalid", transport=httpx.MockTransport(api)) as client:
        made = ListeningReceiver(client, api, getattr(request, "param", 10 * TIME_LIMIT))
        with made.server:
            yield made
        made.receiver.close()


def still_serves(receiving: ListeningReceiver) -> None:
    """A correct callback gets its response, and its end is handled."""
    assert receiving.call() == 202
    assert receiving.ended.wait(60)
    assert len(receiving.handled) == len(receiving.api.queries) == 1


class TestSlowConnections:
    """A slow connection affects no other connection."""

    @pytest.mark.usefixtures("limits")
    def test_a_slow_body_is_cut_off(self, receiving: ListeningReceiver) -> None:
        """The response to an incomplete body is 408."""
        with receiving.connect() as connection:
            connection.sendall(receiving.head(content_length="100") + b"{")
            assert status_of(connection) == 408

    @pytest.mark.usefixtures("limits")
    def test_a_body_sent_byte_by_byte_is_cut_off(self, receiving: ListeningReceiver) -> None:
        """Single bytes don't extend the timeout."""
        with receiving.connect() as connection:
            connection.sendall(receiving.head(transfer_encoding="chunked"))
            end = time.monotonic() + TIME_LIMIT
            connection.settimeout(0.05)
            response = b""
            while not response:
                connection.sendall(b"1\r\n \r\n")
                try:
                    response = connection.recv(4096)
                except TimeoutError:
                    assert time.monotonic() < end
            assert response.startswith(b"HTTP/1.1 408")

    @pytest.mark.parametrize("more", [{"content_length": "100"}, {"transfer_encoding": "chunked"}])
    def test_a_slow_body_delays_nobody(
        self, receiving: ListeningReceiver, more: dict[str, str]
    ) -> None:
        """While one connection sends its body, another callback gets its response."""
        with receiving.connect() as connection:
            connection.sendall(receiving.head(**more))
            still_serves(receiving)

    @pytest.mark.parametrize("receiving", [TIMEOUT], indirect=True)
    @pytest.mark.parametrize("begin", [b"", b"POST /", b"POST / HTTP/1.1\r\nhost: x\r\na: "])
    def test_a_silent_connection_is_closed(
        self, receiving: ListeningReceiver, begin: bytes
    ) -> None:
        """A connection without a complete head is closed after the timeout."""
        with receiving.connect() as connection:
            connection.sendall(begin)
            assert _is_closed(connection)

    @pytest.mark.parametrize("begin", [b"", b"POST /", b"POST / HTTP/1.1\r\nhost: x\r\na: "])
    def test_a_silent_connection_blocks_nobody(
        self, receiving: ListeningReceiver, begin: bytes
    ) -> None:
        """A connection without a complete head doesn't delay a callback."""
        with receiving.connect() as connection:
            connection.sendall(begin)
            still_serves(receiving)

    @pytest.mark.parametrize("receiving", [TIMEOUT], indirect=True)
    def test_an_idle_connection_is_closed_in_time(self, receiving: ListeningReceiver) -> None:
        """Keep-alive doesn't keep a connection open for ever."""
        with receiving.connect() as connection:
            body = callback_body("task-unified-2")
            connection.sendall(receiving.head(content_length=str(len(body))) + body)
            assert status_of(connection) in {403, 0}  # 0: it was closed before the response
            assert _is_closed(connection)

    def test_many_silent_connections_block_nobody(self, receiving: ListeningReceiver) -> None:
        """At the maximum number of connections, the oldest is closed for a new one."""
        with ExitStack() as stack:
            connections = [stack.enter_context(receiving.connect()) for _ in range(MAX_CONNECTIONS)]
            still_serves(receiving)
            assert _is_closed(connections[0])
            assert receiving.call() == 200


class TestLargeRequests:
    """Large or many requests are rejected cheaply."""

    def test_megabytes_are_not_read(self, receiving: ListeningReceiver) -> None:
        """An endless body is rejected early."""
        with receiving.connect() as connection:
            connection.sendall(receiving.head(transfer_encoding="chunked"))
            chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
            sent, response = 0, b""
            connection.settimeout(0.2)
            try:
                while not response and sent < 100_000_000:
                    sent += connection.send(chunk)
                    connection.settimeout(0.001)
                    try:
                        response = connection.recv(4096)
                    except TimeoutError:
                        connection.settimeout(0.2)
            except OSError:
                pass
            assert sent < 20_000_000
        still_serves(receiving)

    @pytest.mark.parametrize(
        ("begin", "more"),
        [
            ("POST /callbacks/", b"a" * 65_536),
            ("POST {path} HTTP/1.1\r\na: ", b"a" * 65_536),
            ("POST {path} HTTP/1.1\r\n", b"a: b\r\n" * 10_000),
            ("", b"\r\n" * 30_000),
            ("", b"POST {path} HTTP/1.1\r\n" + JSON_OF + b"content-length: 2\r\n\r\n{}"),
            ("", b"POST /x HTTP/1.1\r\ncontent-length: 0\r\n\r\n" * 1000),
            ("POST {path} HTTP/1.1\r\n{chunked}2\r\n{}\r\n0\r\n", b"a: b\r\n" * 10_000),
            ("POST {path} HTTP/1.1\r\n{chunked}2;", b"a" * 65_536),
        ],
        ids=["url", "header", "headers", "lines", "calls", "forged", "trailers", "extension"],
    )
    def test_an_endless_head_is_cut_off(
        self, receiving: ListeningReceiver, begin: str, more: bytes
    ) -> None:
        """The parts of a request other than its body are limited, too."""
        chunked = f"{JSON_OF.decode()}transfer-encoding: chunked\r\n\r\n"
        head = begin.replace("{path}", receiving.path).replace("{chunked}", chunked)
        part = more.replace(b"{path}", receiving.path.encode())
        part *= 1 + 60_000 // len(part)
        sent = 0
        with receiving.connect() as connection, suppress(OSError):
            connection.sendall(head.encode())
            while sent < 50_000_000:
                sent += connection.send(part)
        assert sent < 20_000_000
        still_serves(receiving)

    @pytest.mark.parametrize(
        "garbage",
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
            b"GET\r\n\r\n",
            b"POST / HTTP/9.9\r\n\r\n",
            b"\0" * 5000,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ],
    )
    def test_other_protocols_are_rejected(
        self, receiving: ListeningReceiver, garbage: bytes
    ) -> None:
        """TLS, HTTP/2 or random bytes get an error or a closed connection."""
        with receiving.connect() as connection:
            connection.sendall(garbage)
            assert status_of(connection) in {0, 400, 404, 405}
        still_serves(receiving)

    def test_many_forged_callbacks_make_no_query(self, receiving: ListeningReceiver) -> None:
        """After a thousand forged callbacks, a correct one is still accepted immediately."""
        forged = receiving.path[:-4] + "AAAA"
        statuses = {receiving.call(forged, callback_body(f"task-unified-{n}")) for n in range(1000)}
        assert statuses == {404}
        assert receiving.api.queries == []
        still_serves(receiving)

    def test_many_repeated_callbacks_make_one_query(self, receiving: ListeningReceiver) -> None:
        """A thousand equal callbacks from eight concurrent senders make one query."""
        statuses: list[int] = []

        def replay() -> None:
            statuses.extend(receiving.call() for _ in range(125))

        senders = [threading.Thread(target=replay) for _ in range(8)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert set(statuses) == {200, 202}
        assert len(statuses) == 1000
        assert statuses.count(202) == 1
        assert receiving.ended.wait(60)
        assert len(receiving.handled) == len(receiving.api.queries) == 1


class TestStartAndStop:
    """The server starts and stops, and reports a port that it can't use."""

    def test_a_port_in_use(self, receiving: ListeningReceiver) -> None:
        """A port in use is a ConfigurationError."""
        with (
            pytest.raises(ConfigurationError, match="can't listen"),
            CallbackServer(receiving.receiver.app, port=receiving.server.port),
        ):
            pass

    @pytest.mark.processes
    @pytest.mark.parametrize("name", ["uvicorn", "httptools"])
    def test_a_missing_extra_is_named(self, name: str) -> None:
        """A receiver works without the extra; the server and the command name the pip command."""
        command = ["listen", "--public-url", "https://shop.example"]
        library = "import wanflow.webhooks as w; w.Receiver('x' * 16, 'https://shop.example')"
        for code, message in (
            (library, ""),
            ("import wanflow.webhooks.server", f"needs {name}; run: pip install"),
            (f"from wanflow.cli import main; main({command})", f"needs {name}; run: pip install"),
        ):
            absent = f"import sys; sys.modules[{name!r}] = None; {code}"
            words = [sys.executable, "-c", absent]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            assert bool(done.returncode) == bool(message), done.stderr
            assert message in done.stderr
            assert "wanflow[webhooks]" in done.stderr or not message

    def test_it_stops_on_exit(self) -> None:
        """After the context, the port is closed and the thread has ended."""
        receiver = Receiver("a secret of sixteen", "https://hooks.example.org")
        with CallbackServer(receiver.app) as server:
            port = server.port
            assert httpx.post(f"http://127.0.0.1:{port}/x", **PLAIN).status_code == 404
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port), timeout=TIME_LIMIT)
        assert not [t for t in threading.enumerate() if t.name == "wanflow-listener"]


def _is_closed(connection: socket.socket) -> bool:
    """Return whether the server closes the connection before the time limit of a test."""
    try:
        while connection.recv(4096):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True
