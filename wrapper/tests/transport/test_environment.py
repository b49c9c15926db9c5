"""Environment variables for connections are read once, and a wrong one is named."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tests.transport.misbehaving_server import ID, MisbehavingServer, http, responds, task
from tests.transport.proxy import Proxy
from tests.transport.test_guarantees import KEY, body
from wanflow import AsyncClient, Client
from wanflow._config import TransportOptions
from wanflow._transport.environment import tls_context, with_environment
from wanflow.errors import ConfigurationError, ConnectionFailed, InsecureURLWarning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "http://api.invalid"
READ = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
SECRET = "pass-word"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove all variables that concern connections."""
    for name in list(os.environ):
        if name in READ or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


UNUSABLE = {
    "a port that isn't a number": ("HTTP_PROXY", "http://host:port", "host:port"),
    "a port that isn't a number, in lower case": ("https_proxy", "http://host:port", "host:port"),
    "neither a port number nor a scheme": ("ALL_PROXY", "host:port", "host:port"),
    "no host": ("HTTPS_PROXY", "http://", "has no host"),
    "another scheme": ("HTTP_PROXY", "ftp://host:21", "ftp://host:21"),
    "a password": ("HTTP_PROXY", f"http://user:{SECRET}@host:port", "@host:port"),
    "a password that isn't quoted": ("HTTP_PROXY", f"http://user:x#{SECRET}@host", "@host"),
    "socks": ("ALL_PROXY", "socks5://127.0.0.1:1080", "pip install socksio"),
    "no such certificates": ("SSL_CERT_FILE", "/nowhere/ca.pem", "/nowhere/ca.pem"),
    "no certificates": ("SSL_CERT_FILE", __file__, "certificates"),
    "a directory instead of a file": ("SSL_CERT_FILE", "/", "certificates"),
    "no such directory": ("SSL_CERT_DIR", "/nowhere", "/nowhere"),
    "a key log that can't be written": ("SSLKEYLOGFILE", "/nowhere/keys.log", "/nowhere/keys.log"),
    "an exception for the API with a wrong port": (
        "NO_PROXY",
        "http://api.invalid:x",
        "api.invalid:x",
    ),
}


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(("name", "value", "said"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_an_unusable_variable_is_named_when_the_client_is_created(
    name: str, value: str, said: str, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error comes before any submission, and has the name and the value, but no password."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        kind(KEY, HOST)
    assert str(caught.value).startswith(name)
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_an_unusable_proxy_argument_is_an_error(kind: Any) -> None:
    """The argument is validated like the variables."""
    with pytest.raises(ConfigurationError, match=r"^proxy is 'http://host:port'"):
        kind(KEY, HOST, proxy="http://host:port")


@pytest.mark.parametrize(
    "exceptions",
    [
        "::1/128",
        "[::1]",
        "[::1]:8080",
        "fe80::/10",
        "fe80::1%eth0",
        "10.0.0.0/8",
        "1.2.3.4/99",
        "a b",
        "http://[",
        "*.local",
        "müller.example",
        "xn--",
        ".",
        "localhost,127.0.0.1,::1,169.254/16,[::]",
        "hubproxy.docker.internal,::1/128",
    ],
)
def test_exceptions_that_httpx_cannot_parse_are_ignored(
    exceptions: str, runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exceptions that don't match the API are skipped, and the request goes to the proxy."""
    with MisbehavingServer(post=[task("pending")]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", exceptions)
        client = runner.client(api_key=KEY, base_url=HOST, timeout=5, retry_timeout=0)
        assert runner.do(client.submit, body()).id == ID
        assert proxy.requests[0][1].startswith(HOST)


@pytest.mark.parametrize(
    "exceptions",
    ["127.0.0.0/8", "::1/128,127.0.0.1/32", "127.0.0.1", "10.0.0.0/8, 127.0.0.1", "*", "x,*"],
)
def test_exceptions_match_networks_and_hosts(
    exceptions: str, runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An API in an excepted network is reached without the proxy."""
    with MisbehavingServer(post=[task("pending")]) as server, Proxy(server.url) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        monkeypatch.setenv("no_proxy", exceptions)
        client = runner.client(api_key=KEY, base_url=server.url, timeout=5, retry_timeout=0)
        assert runner.do(client.submit, body()).id == ID
        assert proxy.heads == []


@pytest.mark.parametrize(
    ("exceptions", "direct"),
    [
        ("::1", True),
        ("::1/128", True),
        ("[::1]", True),
        ("[::1]:9", True),
        ("localhost,fe80::/10,::/96", True),
        ("[::1]:8", False),
        ("::2/127", False),
    ],
)
def test_exceptions_match_ipv6_addresses(
    exceptions: str, direct: bool, runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An excepted API is connected to directly; nothing listens there, and the proxy is unused."""
    with MisbehavingServer(post=[task("pending")]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", exceptions)
        options = {"base_url": "http://[::1]:9", "timeout": 5, "retry_timeout": 0}
        client = runner.client(api_key=KEY, **options)
        with suppress(ConnectionFailed):
            runner.do(client.submit, body())
        assert proxy.count("POST") == (0 if direct else 1)


@pytest.mark.parametrize(
    ("exceptions", "direct"),
    [
        ("127.0.0.0/8", True),
        ("::1/128, 127.0/8,10.0.0.0/8 , 127.0.0.0/30", True),
        ("10.0.0.0/8", False),
    ],
)
def test_a_file_in_an_excepted_network_is_fetched_directly(
    exceptions: str, direct: bool, runner: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests for the API, on another host, still go to the proxy."""
    picture = responds(http(200, b"\x89PNG\r\n\x1a\n", "Content-Type: image/png"))
    with MisbehavingServer(get=[picture]) as files:
        ended = task("completed", results=[f"{files.url}/a.png"])
        with MisbehavingServer(get=[ended, picture]) as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            monkeypatch.setenv("NO_PROXY", exceptions)
            client = runner.client(api_key=KEY, base_url=HOST, timeout=5)
            result = runner.do(client.task(ID).wait, 5)
            (path,) = runner.do(result.download, tmp_path)
            assert path.read_bytes().startswith(b"\x89PNG")
            assert (files.count("GET"), proxy.count("GET")) == ((1, 1) if direct else (0, 2))


@pytest.mark.processes
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_certificates_of_the_environment_are_trusted(
    variable: str, runner: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This holds for both backends; the key log is written if it is configured."""
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_context)
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    if variable == "SSL_CERT_DIR":
        subprocess.run(["openssl", "rehash", str(tmp_path)], check=True)
    monkeypatch.setenv(variable, str(file if variable == "SSL_CERT_FILE" else tmp_path))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    with MisbehavingServer(post=[task("pending")], tls=server_context) as server:
        client = runner.client(api_key=KEY, base_url=server.url, timeout=5, retry_timeout=0)
        assert runner.do(client.submit, body()).id == ID
    assert (tmp_path / "keys.log").stat().st_size > 0


def test_a_file_of_certificates_is_read_once_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading takes some 20 ms for each client; a renewed file applies to the next client."""
    file = tmp_path / "ca.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.delenv("SSLKEYLOGFILE", raising=False)
    contexts = []
    for authority in (trustme.CA(), None, trustme.CA()):
        if authority is not None:
            authority.cert_pem.write_to_path(str(file))
        contexts.append(with_environment(TransportOptions(), HOST).verify)
    first, same, renewed = contexts
    assert isinstance(first, ssl.SSLContext)
    assert first is same
    assert isinstance(renewed, ssl.SSLContext)
    assert first.get_ca_certs() != renewed.get_ca_certs()


def test_the_environment_is_read_once(runner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Later changes apply to the next client."""
    with MisbehavingServer(post=[task("pending")]) as server:
        client = runner.client(api_key=KEY, base_url=server.url, timeout=5, retry_timeout=0)
        for name, value, _ in UNUSABLE.values():
            if name != "SSLKEYLOGFILE":  # which Python itself reads for each context
                monkeypatch.setenv(name, value)
        assert runner.do(client.submit, body()).id == ID


def test_the_certificates_are_read_once_in_a_process(
    runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading them takes some 20 ms, and a program may create many clients."""
    read: list[str] = []

    def create(*, cafile: str = "", **arguments: Any) -> ssl.SSLContext:
        read.append(cafile)
        return original(cafile=cafile or None, **arguments)

    original = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", create)
    with MisbehavingServer(post=[task("pending")] * 3) as server:
        for _ in range(3):
            client = runner.client(api_key=KEY, base_url=server.url, timeout=5, retry_timeout=0)
            assert runner.do(client.submit, body()).id == ID
    assert len(list(filter(None, read))) <= 1


def test_a_client_with_a_key_log_has_its_own_context(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """So has one without verification. Others share theirs."""
    assert tls_context(True) is tls_context(True)
    assert tls_context(False) is False
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    assert tls_context(True) is True


@pytest.mark.processes
def test_a_forked_child_has_its_own_context() -> None:
    """Another thread of the parent may have locked the parent's at the fork."""
    program = (
        "import os; from wanflow._transport.environment import tls_context as made\n"
        "first = made(True); child = os.fork()\n"
        "child or os._exit(made(True) is first)\n"
        "print(os.waitpid(child, 0)[1], made(True) is first)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert run.stdout.split() == [b"0", b"True"]


@pytest.mark.processes
def test_importing_a_client_does_not_import_httpx() -> None:
    """httpx2 and httpx are slow to import, so they are imported when a client is created."""
    program = (
        "import sys; from wanflow import Client; print({'httpx', 'httpx2'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert run.stdout.split() == [b"set()"]


@pytest.fixture
def caught_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """Collect the warnings of a test."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


@pytest.mark.parametrize(
    ("url", "insecure"),
    [
        ("http://api.example/base", True),
        ("http://10.0.0.7:8080", True),
        ("http://localhost.example", True),
        ("http://[2001:db8::1]", True),
        ("https://api.example/base", False),
        ("http://localhost:8080", False),
        ("http://mock.localhost", False),
        ("http://127.0.0.9", False),
        ("http://[::1]:80", False),
    ],
)
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_an_unencrypted_connection_for_the_key_is_a_warning(
    url: str, insecure: bool, kind: Any, caught_warnings: list[warnings.WarningMessage]
) -> None:
    """One warning for each client, at the line that created it; none for localhost."""
    client = kind(KEY, url)
    client.with_options(timeout=1)
    found = [one for one in caught_warnings if one.category is InsecureURLWarning]
    assert len(found) == insecure
    assert all(one.filename == __file__ and KEY not in str(one.message) for one in found)
