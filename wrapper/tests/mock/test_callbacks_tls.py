"""Callbacks to a real TLS server: the name is checked, and nothing is said to an impostor."""

from __future__ import annotations

import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Empty, Queue
from typing import Any

import httpx
import pytest
import trustme

from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer
from wanflow.mock.callbacks import ssrf_guard as door_module
from wanflow.mock.callbacks.ssrf_guard import SsrfGuard

MODEL = next(
    model for model in packaged_catalog().models.values() if "callback_url" in model.parameters
)
NAME = "hooks.example.com"
PUBLIC = "93.184.216.34"


class Receiver:
    """A receiver in https on loopback that hands out what it got, and the name it was asked for."""

    def __init__(self, certificate: trustme.LeafCert) -> None:
        self.got: Queue[tuple[str, str, dict[str, Any]]] = Queue()
        self.names: list[str | None] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.put((self.headers["Host"], self.path, json.loads(body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Stay silent."""

        class Quiet(HTTPServer):
            def handle_error(self, *_: Any) -> None:
                """An impostor is hung up on, which is no error here."""

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port: int = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def receiver(authority, monkeypatch, tmp_path):
    """A receiver with the names of a host out there and of this machine, trusted by the mock."""
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(pem))
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    receiver = Receiver(authority.issue_cert(NAME, "localhost"))
    yield receiver
    receiver.close()


def send(server: MockServer, url: str) -> Any:
    """Submit a task that ends at once, and return the first try to tell of it."""
    body = {**MODEL.example, "callback_url": url}
    headers = {"Authorization": "Bearer k"}
    path = server.base_url + MODEL.path
    answer = httpx.post(path, json=body, headers=headers, trust_env=False)
    assert answer.status_code == 200, answer.text
    end = time.monotonic() + 10
    while not server.app.callback_sender.attempts and time.monotonic() < end:
        time.sleep(0.005)
    return server.app.callback_sender.attempts[0]


def out_there(server: MockServer, receiver: Receiver) -> list[str]:
    """Have a public address lead to the receiver; return where the door went."""
    visited: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        return [PUBLIC]

    async def connect(address: str, port: int, name: str | None) -> Any:
        visited.append(f"{address}:{port}")
        return await door_module._connect("127.0.0.1", receiver.port, name)

    server.app.callback_sender.ssrf_guard = SsrfGuard(resolve=resolve, connect=connect)
    return visited


def test_a_host_out_there_is_told_in_tls(receiver) -> None:
    """The connection goes to the address that was checked, the handshake to the name."""
    with MockServer(polls=0) as server:
        visited = out_there(server, receiver)
        attempt = send(server, f"https://{NAME}/hook?token=1")
    assert (attempt.status, attempt.problem) == (204, "")
    assert visited == [f"{PUBLIC}:443"]
    assert receiver.names == [NAME]
    host, path, body = receiver.got.get(timeout=5)
    assert (host, path) == (NAME, "/hook?token=1")
    assert body["status"] == "completed"


def test_a_certificate_of_another_name_is_refused(receiver) -> None:
    """Who can't prove the name gets no byte of the task."""
    with MockServer(polls=0) as server:
        out_there(server, receiver)
        attempt = send(server, "https://other.example.com/hook")
    assert attempt.status == 0
    assert "CERTIFICATE_VERIFY_FAILED" in attempt.problem
    with pytest.raises(Empty):
        receiver.got.get_nowait()


def test_a_certificate_of_nobody_known_is_refused(receiver, monkeypatch, tmp_path) -> None:
    """An authority that the machine doesn't trust vouches for nobody."""
    pem = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(pem))
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with MockServer(polls=0) as server:
        out_there(server, receiver)
        attempt = send(server, f"https://{NAME}/hook")
    assert "CERTIFICATE_VERIFY_FAILED" in attempt.problem
    with pytest.raises(Empty):
        receiver.got.get_nowait()


def test_this_machine_is_told_in_tls_under_the_flag(receiver) -> None:
    """With the flag, https on loopback works like any other, by its name."""
    with MockServer(polls=0, loopback_callbacks=True) as server:
        attempt = send(server, f"https://localhost:{receiver.port}/hook")
    assert (attempt.status, attempt.problem) == (204, "")
    assert receiver.got.get(timeout=5)[0] == f"localhost:{receiver.port}"


def test_without_the_flag_a_name_that_leads_here_is_never_told(receiver) -> None:
    """A public name that resolves to loopback is refused at delivery, whoever listens there."""
    with MockServer(polls=0) as server:

        async def resolve(host: str, port: int) -> list[str]:
            return ["127.0.0.1"]

        server.app.callback_sender.ssrf_guard = SsrfGuard(resolve=resolve)
        attempt = send(server, f"https://{NAME}:{receiver.port}/hook")
    assert "internal address" in attempt.problem
    assert receiver.names == []
