"""`wanflow contract proxy`: bytes pass unchanged, are judged, and nothing else is sent."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trustme
from click.testing import CliRunner

from tests.plain_http import PLAIN
from tests.sockets import reserved_port
from wanflow import Client
from wanflow.cli.text import counted
from wanflow.mock import MockServer
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.command.main import contract
from wanflow_contract.report.result import ExitCode
from wanflow_contract.watch.observer import Observer
from wanflow_contract.watch.proxy import Proxy
from wanflow_contract.watch.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from wanflow_contract.report.result import RunResult

KEY = "a-key-that-nobody-may-read"
COMMAND = (sys.executable, "-m", "wanflow", "contract", "proxy")
MODEL = next(one for one in packaged_contract().catalog.models.values() if one.kind == "image")
SIZE = 40 << 20


class Running:
    """A proxy in a thread of its own."""

    def __init__(self, upstream: str) -> None:
        server = Upstream.of(upstream)
        self.proxy = Proxy(server, Observer(server.url))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.origin = "127.0.0.1", self._run(self.proxy.start("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.origin[1]}"

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def end(self) -> RunResult:
        """End it, and return what was found."""
        self._run(self.proxy.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()
        return self.proxy.observer.result()


@contextmanager
def raw_server(*answers: bytes) -> Generator[tuple[str, list[bytes]]]:
    """Serve bytes as they are, an answer for each connection, and keep what was received."""
    received = list[bytes]()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(60)
                content, last = b"", b"\r\n\r\n"
                while not content.endswith(b"end" if b"PUT" in content else last):
                    content += connection.recv(65536)
                received.append(content)
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with closing(listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/deep/v1", received
        thread.join(60)


def exchange(address: tuple[str, int], request: bytes) -> bytes:
    """Send bytes, and return everything that comes back until the connection is closed."""
    with socket.create_connection(address, timeout=60) as client:
        client.sendall(request)
        content = b""
        while part := client.recv(65536):
            content += part
        return content


RESPONSES = {
    "chunks, case and order": (
        b"HTTP/1.1 200 Very Fine\r\nX-ODD-case: a\r\nTransfer-Encoding: chunked\r\n"
        b"aLSO: b\r\nX-ODD-case: c\r\nConnection: close\r\n\r\n3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\n"
        b"Trailer: kept\r\n\r\n"
    ),
    "HTTP/1.0 until its end": b"HTTP/1.0 200 OK\r\nServer:  two spaces \r\n\r\nbytes to the end",
    "not HTTP": b"SMTP 220 hello\r\n\r\nthis can't be judged",
    "two lengths": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n"
        b"Connection: close\r\n\r\nabcd"
    ),
    "interim": (
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\nConnection: close\r\n\r\n"
    ),
}


def test_bytes_pass_unchanged_in_both_directions() -> None:
    """Responses pass as they are; of a request, only the host and the path's beginning change."""
    with raw_server(*RESPONSES.values()) as (upstream, received):
        running = Running(upstream)
        host = upstream.split("/")[2].encode()
        try:
            for name, answer in RESPONSES.items():
                request = (
                    b"PUT %s HTTP/1.1\r\nx-Lower: 1\r\nHOST: %s\r\nX-UPPER: 2\r\nx-Lower: 3\r\n"
                )
                request += b"cONTENT-length: 9\r\n\r\nbody, end"
                got = exchange(running.origin, request % (b"/any/path?q=%20a", b"127.0.0.1"))
                assert got == answer, name
                assert received[-1] == request % (b"/deep/v1/any/path?q=%20a", host), name
        finally:
            result = running.end()
    assert not result.findings


@pytest.mark.processes
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_client_works_through_the_command_and_is_judged(tmp_path: Path, end: int) -> None:
    """No key is in what the proxy writes, and a mock has no finding; both signals end it with 0."""
    with MockServer(polls=2, api_key=KEY) as server:
        options = ("--upstream", server.base_url, "--report", str(tmp_path / "out"))
        with subprocess.Popen(
            [*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            url = process.stderr.readline().split()[0]
            with Client(KEY, url) as client:
                client.submit(cheapest(MODEL)).wait()
            process.send_signal(end)
            out, err = process.communicate(timeout=60)
    report = (tmp_path / "out" / "report.json").read_text()
    assert process.returncode == 0, out + err
    assert KEY not in out + err + report
    counters = json.loads(report)["counters"]
    assert counters["tasks"] == 1
    assert counters["requests"] >= 3


def test_a_server_that_fails_is_502_of_the_proxy_and_no_finding() -> None:
    """Neither a refused connection nor a lost response is called a deviation."""
    with reserved_port() as port, raw_server(b"") as (silent, _):
        for upstream in (f"http://127.0.0.1:{port}", silent):
            running = Running(upstream)
            got = httpx.get(f"{running.url}/v1/tasks/task-unified-1", **PLAIN)
            result = running.end()
            assert (got.status_code, got.json()["error"]["type"]) == (502, "proxy_error")
            assert (running.proxy.failures, result.exit_code) == (1, ExitCode.NOT_TESTED)
            assert not result.counters.requests


def test_a_deviation_is_found_behind_the_proxy() -> None:
    """What passed unchanged is judged all the same."""
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    with raw_server(page) as (upstream, _):
        running = Running(upstream)
        headers = {"Authorization": f"Bearer {KEY}"}
        url = f"{running.url}/v1/tasks/task-unified-1"
        assert httpx.get(url, headers=headers, **PLAIN).text == "hello"
        result = running.end()
    assert "json" in {one.check for one in result.new}
    assert KEY not in json.dumps(result.to_json())


def test_requests_go_to_the_upstream_only() -> None:
    """A client that uses it as a proxy for any host gets a sentence, and no host gets its key."""
    with raw_server() as (upstream, received):
        running = Running(upstream)
        try:
            request = b"GET http://other.example/ HTTP/1.1\r\nHost: other.example\r\n"
            got = exchange(running.origin, request + b"Authorization: Bearer x\r\n\r\n")
            assert got.startswith(b"HTTP/1.1 400 ")
            assert b"use it as the base URL" in got
            assert exchange(running.origin, b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 ")
            with pytest.raises(OSError, match="refused"):
                socket.create_connection((_address_of_this_machine(), running.origin[1]), timeout=2)
        finally:
            running.end()
    assert received == []


def _address_of_this_machine() -> str:
    return "127.0.0.2"  # the proxy listens on 127.0.0.1 alone


def test_a_large_file_passes_while_it_arrives() -> None:
    """The client has the first half before the server sends the second."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % SIZE
    listener = socket.create_server(("127.0.0.1", 0))
    arrived = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(head + bytes(SIZE // 2))
            assert arrived.wait(60)
            connection.sendall(bytes(SIZE - SIZE // 2))

    threading.Thread(target=serve, daemon=True).start()
    running = Running(f"http://127.0.0.1:{listener.getsockname()[1]}")
    with closing(listener), socket.create_connection(running.origin, timeout=60) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        size = 0
        while part := client.recv(1 << 20):
            size += len(part)
            if size >= SIZE // 2 + len(head):
                arrived.set()
    assert size == SIZE + len(head)
    assert not running.end().errors


def test_a_taken_port_and_an_invalid_url_are_wrong_usage() -> None:
    """Each has one sentence, and the exit code is 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for options, message in (
            (("--upstream", "http://a.example", "--port", port), "can't listen on 127.0.0.1:"),
            (("--upstream", "ftp://a.example"), "must begin with http:// or https:// and a host"),
            (("--upstream", "https://user:pass@a.example"), "must have no user"),
        ):
            done = CliRunner().invoke(contract, ["proxy", *options])
            assert (done.exit_code, message in done.output) == (2, True), done.output


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example/v1/", "https://api.example/v1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_the_url_of_the_server_keeps_its_port_and_path(url: str, expected: Any) -> None:
    """With or without a slash at its end."""
    assert Upstream.of(url).url == expected


def test_an_upstream_with_tls_is_judged_and_its_certificate_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy encrypts, with the upstream's name; a certificate of nobody knows whom is 502."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    for trusted in (False, True):
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        with tls_server(context, page) as upstream:
            running = Running(upstream)
            url = f"{running.url}/v1/tasks/task-unified-1"
            got = httpx.get(url, headers={"Authorization": f"Bearer {KEY}"}, **PLAIN)
            result = running.end()
        assert got.status_code == (200 if trusted else 502)
        assert ("json" in {one.check for one in result.new}) is trusted
        assert running.proxy.failures == (not trusted)


@contextmanager
def tls_server(context: ssl.SSLContext, answer: bytes) -> Generator[str]:
    """Serve one connection with TLS; a client that breaks it off is no error."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        plain, _ = listener.accept()
        with plain, suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
            while not connection.recv(65536).endswith(b"\r\n\r\n"):
                pass
            connection.sendall(answer)
            connection.unwrap()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with closing(listener):
        yield f"https://localhost:{listener.getsockname()[1]}"
        thread.join(60)


def test_after_a_change_of_protocol_bytes_pass_in_both_directions() -> None:
    """After 101 both sides speak as they like, until one of them closes; nothing is judged."""
    listener = socket.create_server(("127.0.0.1", 0))
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            while not connection.recv(65536).endswith(b"\r\n\r\n"):
                pass
            connection.sendall(head + b"first")
            while part := connection.recv(65536):
                connection.sendall(part.upper())
            connection.sendall(b"last")

    threading.Thread(target=serve, daemon=True).start()
    running = Running(f"http://127.0.0.1:{listener.getsockname()[1]}")
    with closing(listener), socket.create_connection(running.origin, timeout=60) as client:
        client.sendall(
            b"GET /v1/tasks/task-unified-1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
            b"Upgrade: echo\r\n\r\n"
        )
        assert read_until(client, b"first") == head + b"first"
        for word in (b"not HTTP \x00\xff", b"GET / HTTP/1.1\r\n\r\n"):
            client.sendall(word)
            assert read_until(client, word.upper()) == word.upper()
        client.shutdown(socket.SHUT_WR)
        assert read_until(client, b"last") == b"last"
    result = running.end()
    assert (result.counters.requests, result.findings, result.errors) == (0, [], [])


def read_until(client: socket.socket, end: bytes) -> bytes:
    """Return what arrives until some bytes, or until the other side closes."""
    content = b""
    while not content.endswith(end) and (part := client.recv(65536)):
        content += part
    return content


def test_exchanges_that_come_too_fast_are_counted_and_not_kept() -> None:
    """While the judge is busy, a bounded number of bytes waits; the report names the rest."""
    body = b"x" * (1 << 20)
    page = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
    number = 80
    with raw_server(*[page % (len(body), body)] * number) as (upstream, _):
        running = Running(upstream)
        busy = threading.Event()
        running.proxy._judging.submit(busy.wait, 60)  # pyright: ignore[reportPrivateUsage]
        for _ in range(number):
            got = exchange(
                running.origin, b"GET /v1/tasks/task-unified-1 HTTP/1.1\r\nHost: a\r\n\r\n"
            )
            assert got.endswith(body)
        assert running.proxy._waiting <= 64 << 20  # pyright: ignore[reportPrivateUsage]
        busy.set()
        result = running.end()
    seen = result.counters.requests
    assert 0 < seen < number
    assert result.skipped() == {
        f"{counted(number - seen, 'exchange')} came too fast to be judged": 1
    }
