"""Laws of the socket: no caller, however slow, loud or many, keeps another one out."""

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

from tests.webhooks.conftest import Api, Time, body_of, seen
from wanflow import Client
from wanflow.errors import ConfigurationError
from wanflow.webhooks import Receiver, TaskDone
from wanflow.webhooks.server import CallbackServer

if TYPE_CHECKING:
    from collections.abc import Iterator

ID = "task-unified-1"
JSON_OF = b"host: x\r\ncontent-type: application/json\r\n"
PATIENCE = 1.5
MOST = 100


class Station:
    """A receiver that listens, and the ways to call it."""

    def __init__(self, client: Client, api: Api) -> None:
        self.api = api
        self.ended = threading.Event()
        self.ends: list[TaskDone] = []
        self.receiver = Receiver(
            "a secret of sixteen",
            "http://127.0.0.1/callbacks",
            client=client,
            on_task_done=self._take,
            allow_local=True,
        )
        self.receiver.link_task("job", ID)
        self.path = "/callbacks/" + self.receiver.url("job").rpartition("/")[2]
        self.listener = CallbackServer(
            self.receiver.app, connection_timeout=PATIENCE, max_connections=MOST
        )

    def _take(self, end: TaskDone) -> None:
        self.ends.append(end)
        self.ended.set()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.listener.port), timeout=5)

    def head(self, path: str | None = None, **headers: str) -> bytes:
        """The head of a callback."""
        fields = {"host": "x", "content-type": "application/json", **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        return f"POST {path or self.path} HTTP/1.1\r\n{lines}\r\n".encode()

    def call(self, path: str | None = None, body: bytes | None = None) -> int:
        """Call as an honest sender does."""
        content = body_of() if body is None else body
        with self.connect() as line:
            line.sendall(self.head(path, content_length=str(len(content))) + content)
            return status_of(line)


def status_of(line: socket.socket) -> int:
    """Read the status of an answer, 0 where the connection was closed without one."""
    answer = line.recv(4096)
    return int(answer.split(b" ", 2)[1]) if answer else 0


@pytest.fixture
def station() -> Iterator[Station]:
    api = Api(Time(), {ID: [seen(ID)]})
    with Client("key", "http://api.invalid", transport=httpx.MockTransport(api)) as client:
        made = Station(client, api)
        with made.listener:
            yield made
        made.receiver.close()


def still_serves(station: Station) -> None:
    """An honest callback is answered within a second, and its end is handled."""
    begun = time.monotonic()
    assert station.call() == 202
    assert time.monotonic() - begun < 1
    assert station.ended.wait(5)
    assert len(station.ends) == len(station.api.asked) == 1


class TestSlowCallers:
    """Slowness costs its own connection, and nothing else."""

    def test_a_slow_body_is_cut_off(self, station: Station) -> None:
        """A body that stops is answered with 408 within a second."""
        with station.connect() as line:
            begun = time.monotonic()
            line.sendall(station.head(content_length="100") + b"{")
            assert status_of(line) == 408
            assert time.monotonic() - begun < 1
        still_serves(station)

    def test_a_dripped_body_is_cut_off(self, station: Station) -> None:
        """A byte at a time gains nothing."""
        with station.connect() as line:
            line.sendall(station.head(transfer_encoding="chunked"))
            begun = time.monotonic()
            line.settimeout(0.05)
            answer = b""
            while not answer:
                line.sendall(b"1\r\n \r\n")
                try:
                    answer = line.recv(4096)
                except TimeoutError:
                    assert time.monotonic() - begun < 2
            assert answer.startswith(b"HTTP/1.1 408")
        still_serves(station)

    @pytest.mark.parametrize("begin", [b"", b"POST /", b"POST / HTTP/1.1\r\nhost: x\r\na: "])
    def test_a_silent_connection_is_closed(self, station: Station, begin: bytes) -> None:
        """Whoever says nothing, or half a head, is cut off when their time is up."""
        with station.connect() as line:
            line.sendall(begin)
            assert _closed(line)
        still_serves(station)

    def test_an_answered_connection_is_closed_in_time(self, station: Station) -> None:
        """Keep-alive doesn't keep a place for ever."""
        with station.connect() as line:
            body = body_of("task-unified-2")
            line.sendall(station.head(content_length=str(len(body))) + body)
            assert status_of(line) == 403
            assert _closed(line)

    def test_a_crowd_of_silent_ones_keeps_nobody_out(self, station: Station) -> None:
        """With every place taken the oldest of the crowd makes room for an honest sender."""
        with ExitStack() as stack:
            crowd = [stack.enter_context(station.connect()) for _ in range(MOST)]
            still_serves(station)
            crowd[0].settimeout(PATIENCE / 3)
            assert _gone(crowd[0])
            assert station.call() == 200


class TestLoudCallers:
    """Size and number cost the sender."""

    def test_megabytes_are_not_read(self, station: Station) -> None:
        """A body without end is refused before a hundredth of it was sent."""
        with station.connect() as line:
            line.sendall(station.head(transfer_encoding="chunked"))
            chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
            sent, answer = 0, b""
            line.settimeout(0.2)
            try:
                while not answer and sent < 100_000_000:
                    sent += line.send(chunk)
                    line.settimeout(0.001)
                    try:
                        answer = line.recv(4096)
                    except TimeoutError:
                        line.settimeout(0.2)
            except OSError:
                pass
            assert sent < 20_000_000
        still_serves(station)

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
    def test_a_head_without_end_is_cut_off(self, station: Station, begin: str, more: bytes) -> None:
        """What isn't body is bounded, too: whoever sends on is cut off, and little was kept."""
        chunked = f"{JSON_OF.decode()}transfer-encoding: chunked\r\n\r\n"
        head = begin.replace("{path}", station.path).replace("{chunked}", chunked)
        part = more.replace(b"{path}", station.path.encode())
        part *= 1 + 60_000 // len(part)
        sent = 0
        with station.connect() as line:
            line.settimeout(1)
            with suppress(OSError):
                line.sendall(head.encode())
                while sent < 50_000_000:
                    sent += line.send(part)
        assert sent < 20_000_000
        still_serves(station)

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
    def test_what_is_not_http(self, station: Station, garbage: bytes) -> None:
        """TLS, HTTP/2 or noise on the plain port is 400 or a closed connection."""
        with station.connect() as line:
            line.sendall(garbage)
            assert status_of(line) in {0, 400, 404, 405}
        still_serves(station)

    def test_a_flood_of_forgeries_asks_nothing(self, station: Station) -> None:
        """A thousand forged calls leave no trace, and the honest one is served at once."""
        forged = station.path[:-4] + "AAAA"
        statuses = {station.call(forged, body_of(f"task-unified-{n}")) for n in range(1000)}
        assert statuses == {404}
        assert station.api.asked == []
        still_serves(station)

    def test_a_flood_of_replays_asks_once(self, station: Station) -> None:
        """The same callback a thousand times, from eight senders at once, is one question."""
        statuses: list[int] = []

        def replay() -> None:
            statuses.extend(station.call() for _ in range(125))

        senders = [threading.Thread(target=replay) for _ in range(8)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert set(statuses) == {200, 202}
        assert len(statuses) == 1000
        assert statuses.count(202) == 1
        assert station.ended.wait(5)
        assert len(station.ends) == len(station.api.asked) == 1


class TestListener:
    """The listener begins, ends, and says where it can't listen."""

    def test_a_taken_port(self, station: Station) -> None:
        """One clear error."""
        with (
            pytest.raises(ConfigurationError, match="can't listen"),
            CallbackServer(station.receiver.app, port=station.listener.port),
        ):
            pass

    @pytest.mark.parametrize("name", ["uvicorn", "httptools"])
    def test_without_the_extra_it_says_what_to_install(self, name: str) -> None:
        """A receiver needs no server; a listener and the command say which pip command helps."""
        library = "import wanflow.webhooks as w; w.Receiver('x' * 16, 'https://shop.example')"
        for code, said in (
            (library, ""),
            ("import wanflow.webhooks.server", f"needs {name}; run: pip install"),
            ("from wanflow.cli import main; main(['listen'])", f"needs {name}; run: pip install"),
        ):
            absent = f"import sys; sys.modules[{name!r}] = None; {code}"
            words = [sys.executable, "-c", absent]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            assert bool(done.returncode) == bool(said), done.stderr
            assert said in done.stderr
            assert "wanflow[webhooks]" in done.stderr or not said

    def test_it_is_gone_when_left(self) -> None:
        """The port is closed, and the thread has ended."""
        receiver = Receiver("a secret of sixteen", "https://hooks.example.org")
        with CallbackServer(receiver.app) as listener:
            port = listener.port
            assert httpx.post(f"http://127.0.0.1:{port}/x", trust_env=False).status_code == 404
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port), timeout=1)
        assert not [t for t in threading.enumerate() if t.name == "wanflow-listener"]


def _closed(line: socket.socket) -> bool:
    """Tell whether the other side closes within its patience and a little."""
    line.settimeout(PATIENCE + 3)
    return _gone(line)


def _gone(line: socket.socket) -> bool:
    try:
        while line.recv(4096):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True
