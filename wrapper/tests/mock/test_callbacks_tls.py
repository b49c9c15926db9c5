"""Callbacks to a TLS server: its certificate is verified before anything is sent."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Empty, Queue
from typing import Any

import httpx
import pytest
import trustme

from tests.plain_http import PLAIN
from tests.waiting import wait_until
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer
from wanflow.mock.callbacks import ssrf_guard as guard_module
from wanflow.mock.callbacks.ssrf_guard import SsrfGuard

MODEL = next(
    model for model in packaged_catalog().models.values() if "callback_url" in model.parameters
)
NAME = "hooks.example.com"
PUBLIC = "93.184.216.34"


class Receiver:
    """An https receiver on loopback; records the callbacks and the requested TLS names."""

    def __init__(self, certificate: trustme.LeafCert) -> None:
        self.received: Queue[tuple[str, str, dict[str, Any]]] = Queue()
        self.names: list[str | None] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.put((self.headers["Host"], self.path, json.loads(body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Stay silent."""

        class QuietServer(HTTPServer):
            def handle_error(self, *_: Any) -> None:
                """A failed handshake is expected."""

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self.server = QuietServer(("127.0.0.1", 0), Handler)
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
    """A receiver with a trusted certificate for a public name and for localhost."""
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(pem))
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    receiver = Receiver(authority.issue_cert(NAME, "localhost"))
    yield receiver
    receiver.close()


def send(server: MockServer, url: str) -> Any:
    """Submit a task that ends immediately, and return the first delivery attempt."""
    body = {**MODEL.example, "callback_url": url}
    headers = {"Authorization": "Bearer k"}
    path = server.base_url + MODEL.path
    response = httpx.post(path, json=body, headers=headers, **PLAIN)
    assert response.status_code == 200, response.text
    wait_until(lambda: server.app.callback_sender.attempts)
    return server.app.callback_sender.attempts[0]


def redirect_public_address(server: MockServer, receiver: Receiver) -> list[str]:
    """Redirect a public address to the receiver; return the list of connections."""
    connected_to: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        return [PUBLIC]

    async def connect(address: str, port: int, name: str | None) -> Any:
        connected_to.append(f"{address}:{port}")
        return await guard_module._connect("127.0.0.1", receiver.port, name)

    server.app.callback_sender.ssrf_guard = SsrfGuard(resolve=resolve, connect=connect)
    return connected_to


def test_a_callback_to_a_public_host_uses_tls(receiver) -> None:
    """The connection uses the checked address, and the TLS handshake the name."""
    with MockServer(polls=0) as server:
        connected_to = redirect_public_address(server, receiver)
        attempt = send(server, f"https://{NAME}/hook?token=1")
    assert (attempt.status, attempt.problem) == (204, "")
    assert connected_to == [f"{PUBLIC}:443"]
    assert receiver.names == [NAME]
    host, path, body = receiver.received.get(timeout=60)
    assert (host, path) == (NAME, "/hook?token=1")
    assert body["status"] == "completed"


def test_a_certificate_of_another_name_is_rejected(receiver) -> None:
    """A server without a certificate for the name gets no data."""
    with MockServer(polls=0) as server:
        redirect_public_address(server, receiver)
        attempt = send(server, "https://other.example.com/hook")
    assert attempt.status == 0
    assert "CERTIFICATE_VERIFY_FAILED" in attempt.problem
    with pytest.raises(Empty):
        receiver.received.get_nowait()


def test_a_certificate_of_an_unknown_authority_is_rejected(receiver, monkeypatch, tmp_path) -> None:
    """A certificate of an untrusted authority is invalid."""
    pem = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(pem))
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with MockServer(polls=0) as server:
        redirect_public_address(server, receiver)
        attempt = send(server, f"https://{NAME}/hook")
    assert "CERTIFICATE_VERIFY_FAILED" in attempt.problem
    with pytest.raises(Empty):
        receiver.received.get_nowait()


def test_loopback_with_tls_is_allowed_with_the_option(receiver) -> None:
    """With `loopback_callbacks`, https on loopback works."""
    with MockServer(polls=0, loopback_callbacks=True) as server:
        attempt = send(server, f"https://localhost:{receiver.port}/hook")
    assert (attempt.status, attempt.problem) == (204, "")
    assert receiver.received.get(timeout=60)[0] == f"localhost:{receiver.port}"


def test_a_public_name_of_a_loopback_address_is_rejected(receiver) -> None:
    """A public name that resolves to loopback is rejected at delivery."""
    with MockServer(polls=0) as server:

        async def resolve(host: str, port: int) -> list[str]:
            return ["127.0.0.1"]

        server.app.callback_sender.ssrf_guard = SsrfGuard(resolve=resolve)
        attempt = send(server, f"https://{NAME}:{receiver.port}/hook")
    assert "internal address" in attempt.problem
    assert receiver.names == []
