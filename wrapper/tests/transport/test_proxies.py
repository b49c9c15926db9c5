"""What a proxy receives, and whether a submission through one was sent."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
import trustme
from attrs import frozen

from tests.transport.misbehaving_server import (
    ID,
    OK,
    MisbehavingServer,
    http,
    resets,
    responds,
    responds_json,
    task,
)
from tests.transport.proxy import PASSWORD, Proxy, credentials
from tests.transport.test_guarantees import KEY, body
from wanflow import errors

BEARER = f"authorization: bearer {KEY}".lower().encode()
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
# No such host exists, so what reaches it went through the proxy.
HOST = "api.invalid"


@frozen
class Trust:
    """The TLS contexts of a server and of a client that trusts it."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="module")
def trust() -> Trust:
    """Contexts with a certificate for the host that doesn't exist."""
    authority = trustme.CA()
    trust = Trust(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context())
    authority.issue_cert(HOST, "127.0.0.1").configure_cert(trust.server)
    authority.configure_trust(trust.client)
    return trust


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the proxy variables from the environment."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def client_of(runner: Any, scheme: str, **options: Any) -> Any:
    """Return a client for the host that only a proxy can reach."""
    given = {"timeout": 5, "retry_timeout": 0, **options}
    return runner.client(api_key=KEY, base_url=f"{scheme}://{HOST}/base", **given)


def test_the_key_goes_through_a_tunnel_and_not_to_the_proxy(runner: Any, trust: Trust) -> None:
    """CONNECT has the proxy's password but no key; the request in the tunnel has only the key."""
    with (
        MisbehavingServer(post=[responds(OK)], tls=trust.server) as server,
        Proxy(server.url) as proxy,
    ):
        client = client_of(runner, "https", proxy=proxy.url, verify=trust.client)
        assert runner.do(client.submit, body()).id == ID
        (head,) = proxy.heads
        assert head.startswith(f"CONNECT {HOST}:443 ".encode())
        assert credentials() in head.lower()
        assert b"authorization: bearer" not in head.lower()
        assert KEY.encode() not in head
        inside = server.requests[0][2].lower()
        assert BEARER in inside
        assert b"proxy-authorization" not in inside
        assert server.requests[0][1] == f"/base{client.preview(body()).url.partition('/base')[2]}"


def test_a_plain_http_request_is_sent_to_the_proxy(runner: Any) -> None:
    """There is no tunnel for http: the proxy receives the whole request and forwards it."""
    with MisbehavingServer(post=[responds(OK)]) as server, Proxy(server.url) as proxy:
        client = client_of(runner, "http", proxy=proxy.url)
        assert runner.do(client.submit, body()).id == ID
        (head,) = proxy.heads
        assert head.startswith(f"POST http://{HOST}/base/".encode())
        assert credentials() in head.lower()


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_https_uses_the_proxy_of_the_environment(
    variable: str, runner: Any, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy of the variable receives a CONNECT."""
    with (
        MisbehavingServer(get=[task("completed")], tls=trust.server) as server,
        Proxy(server.url) as proxy,
    ):
        monkeypatch.setenv(variable, proxy.url)
        client = client_of(runner, "https", verify=trust.client)
        runner.do(client.task(ID).refresh)
        assert [head.split(b" ")[0] for head in proxy.heads] == [b"CONNECT"]


def test_excepted_hosts_are_reached_without_the_proxy(
    runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_PROXY is respected, and HTTPS_PROXY isn't used for http."""
    with MisbehavingServer(get=[task("completed")]) as server, Proxy(server.url) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        direct = runner.client(api_key=KEY, base_url=server.url, timeout=5)
        runner.do(direct.task(ID).refresh)
        monkeypatch.delenv("ALL_PROXY")
        monkeypatch.delenv("NO_PROXY")
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        other = runner.client(api_key=KEY, base_url=server.url, timeout=5)
        runner.do(other.task(ID).refresh)
        assert proxy.heads == []
        assert server.count("GET") == 2


REJECTIONS = {
    "wrong password": http(407, b"", "Proxy-Authenticate: Basic"),
    "no route": http(502, b"<html>no route"),
    "not allowed": http(403, b""),
    "unavailable": http(503, b"", "Retry-After: 1"),
    "no response": b"",
}


@pytest.mark.parametrize("rejection", REJECTIONS.values(), ids=REJECTIONS.keys())
def test_nothing_is_sent_if_the_tunnel_does_not_open(rejection: bytes, runner: Any) -> None:
    """Whatever the proxy responds, the submission wasn't sent and wasn't charged."""
    with Proxy("http://127.0.0.1:1", refuse=rejection) as proxy:
        client = client_of(runner, "https", proxy=proxy.url)
        with pytest.raises(errors.ConnectionFailed) as caught:
            runner.do(client.submit, body())
        assert len(proxy.heads) == 1
        for secret in (KEY, PASSWORD):
            assert secret not in str(caught.value) + repr(vars(caught.value))


def test_a_submission_lost_in_a_tunnel_is_sent_once(runner: Any, trust: Trust) -> None:
    """Once the tunnel is open, a lost request may have arrived."""
    with MisbehavingServer(post=[resets()], tls=trust.server) as server, Proxy(server.url) as proxy:
        client = client_of(runner, "https", proxy=proxy.url, verify=trust.client, retry_timeout=5)
        with pytest.raises(errors.SubmitUncertain):
            runner.do(client.submit, body())
        assert server.count("POST") == 1


def test_a_407_for_a_plain_request_is_an_api_error(runner: Any) -> None:
    """The 407 rejects the request, which is sent once."""
    with MisbehavingServer(
        post=[responds_json(407, {"error": {"message": "who are you?"}})]
    ) as proxy:
        client = client_of(runner, "http", proxy=proxy.url)
        with pytest.raises(errors.APIError, match="who are you"):
            runner.do(client.submit, body())
        assert proxy.count("POST") == 1
