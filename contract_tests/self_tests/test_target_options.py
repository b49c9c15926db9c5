"""What server is opened: also one that can't be read, no other one as a mock, no wrong URL."""

from __future__ import annotations

import re
import ssl
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import trustme
from click.testing import CliRunner

from self_tests.holdout_faults.proxied_mock import ProxiedMock
from self_tests.holdout_faults.proxy import ProxyVariant
from self_tests.holdout_faults.responses import FAULTS
from self_tests.reference_server.server import Rejected, Server
from wanflow.mock import MockServer
from wanflow_contract import test_errors
from wanflow_contract.checks.check import CheckFailed
from wanflow_contract.command.main import contract
from wanflow_contract.support.server_url import split_url
from wanflow_contract.support.target_options import TargetOptions, check_access, mock_controls
from wanflow_contract.support.unavailable import TargetUnavailable, check_keys

NOT_GZIP = next(one for one in FAULTS if one.name == "not-gzip")


def test_an_unreadable_response_fails_a_check() -> None:
    """A mock whose responses are labelled gzip, and are not, is opened, and fails a check."""
    with (
        ProxiedMock(ProxyVariant(), NOT_GZIP).opened() as server,
        TargetOptions(server.base_url, api_key="a-key-of-the-suite").target() as target,
    ):
        assert target.has_mock_controls
        with pytest.raises(CheckFailed) as failed:
            target.get_task("task-unified-1-none")
    assert failed.value.check.name == "responds"


@pytest.mark.parametrize("key", ["k", "test", "mock-key"])
def test_a_short_key_causes_no_findings(key: str) -> None:
    """A mock takes any key, and an error's words may contain a short one by chance."""
    with (
        MockServer(polls=2) as mock,
        TargetOptions(mock.base_url, api_key=key).target() as target,
    ):
        for operation, status in test_errors.ERRORS:
            for kind in test_errors.CLIENT_KINDS:
                test_errors.test_each_documented_error_of_a_server_has_its_exception(
                    target, operation, status, kind
                )


class AnythingIsHealthy(BaseHTTPRequestHandler):
    """A gateway that answers any path as a mock answers its health check."""

    content = b'{"status": "ok", "tasks": 0}'

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        with suppress(OSError):
            self.write()

    def write(self) -> None:
        self.wfile.write(self.content)

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


class Deep(AnythingIsHealthy):
    """Its JSON is too deep to be read."""

    content = b"[" * 100_000


class Endless(AnythingIsHealthy):
    """Its body has no end."""

    def write(self) -> None:
        while True:
            self.wfile.write(b"[1," * 10_000)


@pytest.mark.parametrize("handler", [AnythingIsHealthy, Deep, Endless])
def test_a_server_that_answers_any_path_is_not_taken_for_a_mock(handler) -> None:
    """A mock is tested without a spend limit; a gateway that charges must not be."""
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}"
            with TargetOptions(url, api_key="a-key-of-the-suite").target() as target:
                assert not target.has_mock_controls
                assert target.budget.limit == 0
        finally:
            server.shutdown()
            thread.join()


BAD = [
    ("http://", "must begin with http:// or https:// and a host"),
    ("ftp://a.example", "must begin with http"),
    ("a.example", "must begin with http"),
    ("http://[::1", "Invalid IPv6 URL"),
    ("http://a.example:99999", "Port out of range"),
    ("http://a.example:abc", "'abc'"),
    ("http://a .example", "without spaces"),
    ("http://a.example/\x1b[31m", "without spaces"),
    ("http://a.example?x=1", "no query and no fragment"),
    ("http://a.example/#z", "no query and no fragment"),
    ("https://user:a-password@a.example", "no user or password"),
    ("ftp://user:a-password@a.example", "no user or password"),
]


@pytest.mark.parametrize(("url", "said"), BAD, ids=[ascii(one[0]) for one in BAD])
def test_a_url_that_cannot_be_right_is_wrong_usage(url, said) -> None:
    """The message says what is allowed, shows nothing unprintable, and no password."""
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        split_url(url)
    assert str(refused.value).isprintable()
    assert "a-password" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://a.example/apiv1", " http://127.0.0.1:80 ", "http://[::1]:8/"]
)
def test_a_url_is_taken_without_spaces_around_it(url) -> None:
    """Its path is kept."""
    assert split_url(url).geturl() == url.strip()


@pytest.mark.parametrize("key", ["a b", "a\nb", "a\n", "a\r\nX: y", "k\u00e9y", "a\x00", " "])
@pytest.mark.parametrize("second", [False, True])
def test_a_key_that_no_header_can_have_is_refused_before_the_first_request(
    monkeypatch, key, second
) -> None:
    """The message names what it came from, and shows no key."""
    for name in ("WANFLOW_CONTRACT_API_KEY", "WANFLOW_CONTRACT_API_KEY2", "WANFLOW_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    keys = ("a-right-key", key) if second else (key, None)
    with pytest.raises(TargetUnavailable, match="a character that no key has") as refused:
        check_keys(*keys)
    with (
        pytest.raises(TargetUnavailable),
        TargetOptions("http://127.0.0.1:9", api_key=keys[0], api_key2=keys[1]).target(),
    ):
        pass
    assert f"the API key of --api-key{'2' if second else ''} has" in str(refused.value)
    assert key.strip() == "" or key not in str(refused.value)


def test_the_second_key_is_of_another_account() -> None:
    """With one key twice, isolation would be tested of an account from itself."""
    with pytest.raises(TargetUnavailable, match="the same key as the first"):
        check_keys("a-key", "a-key")
    check_keys("a-key", None)
    check_keys("a-key", "another")


class NoPoll(Server):
    """Its query has the fault that it takes no key; a submission does."""

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        """Refuse."""
        raise Rejected(401, "Who are you?")


@pytest.mark.parametrize("server", [Server, NoPoll])
def test_a_key_that_the_server_refuses_is_no_finding(server) -> None:
    """A key is refused if both operations do so; one alone may be a fault of the server."""
    with server("the-key", "other-key") as running:
        url = running.origin + running.base
        check_access(url, "the-key")
        check_access(url + "/", "the-key", "other-key")
        for keys, source in ((("wrong",), "--api-key"), (("the-key", "wrong"), "--api-key2")):
            said = f"refuses the API key of {source} with 401"
            with pytest.raises(TargetUnavailable, match=said):
                check_access(url, *keys)


@pytest.mark.parametrize(
    ("variables", "source"),
    [
        ((), "--api-key"),
        (("WANFLOW_API_KEY",), "WANFLOW_API_KEY"),
        (("WANFLOW_CONTRACT_API_KEY",), "WANFLOW_CONTRACT_API_KEY"),
        (("WANFLOW_CONTRACT_API_KEY", "WANFLOW_API_KEY"), "WANFLOW_CONTRACT_API_KEY"),
    ],
)
def test_a_refused_key_is_named_by_what_it_came_from(monkeypatch, variables, source) -> None:
    """The sentence says where to set another one."""
    for name in ("WANFLOW_CONTRACT_API_KEY", "WANFLOW_API_KEY"):
        monkeypatch.setenv(name, "wrong" if name in variables else "")
    given = ["--api-key", "wrong"] if not variables else []
    with Server("the-key") as running:
        url = running.origin + running.base
        done = CliRunner().invoke(contract, [url, *given])
    assert done.exit_code == 4
    assert f"{url} refuses the API key of {source} with 401" in done.output


def test_certificates_of_the_environment_are_trusted(tmp_path, monkeypatch) -> None:
    """A server whose certificate is signed by an authority of SSL_CERT_FILE is tested."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with HTTPServer(("localhost", 0), AnythingIsHealthy) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            url = f"https://localhost:{server.server_address[1]}"
            with pytest.raises(TargetUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
                mock_controls(url)
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
            assert mock_controls(url) is None
            with TargetOptions(url, api_key="a-key-of-the-suite").target() as target:
                assert target.client.send("GET", "/").status == 200
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("value", ["absent.pem", "."])
def test_certificates_that_cannot_be_read_are_named(value, monkeypatch) -> None:
    """The message has the variable and its value."""
    monkeypatch.setenv("SSL_CERT_FILE", value)
    said = f"SSL_CERT_FILE is '{value}', which can't be read as certificates"
    with pytest.raises(TargetUnavailable, match=re.escape(said)):
        mock_controls("https://127.0.0.1:9")
