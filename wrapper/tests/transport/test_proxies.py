"""Laws of proxies: what they are told, and what a submission through one means."""

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
# The name of no host: whoever reaches it went through the proxy.
HOST = "api.invalid"


@frozen
class Trust:
    """A server's TLS context, and that of a client which trusts it."""

    theirs: ssl.SSLContext
    ours: ssl.SSLContext


@pytest.fixture(scope="module")
def trust() -> Trust:
    """An authority that vouches for the host that there isn't."""
    authority = trustme.CA()
    trust = Trust(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context())
    authority.issue_cert(HOST, "127.0.0.1").configure_cert(trust.theirs)
    authority.configure_trust(trust.ours)
    return trust


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names no proxy."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def client_of(runner: Any, scheme: str, **options: Any) -> Any:
    """A client of a host that only a proxy knows."""
    given = {"timeout": 5, "retry_timeout": 0, **options}
    return runner.client(api_key=KEY, base_url=f"{scheme}://{HOST}/base", **given)


def test_the_key_goes_through_a_tunnel_and_not_to_the_proxy(runner: Any, trust: Trust) -> None:
    """CONNECT has the proxy's password and no key; inside the tunnel it is the other way round."""
    with (
        MisbehavingServer(post=[responds(OK)], tls=trust.theirs) as server,
        Proxy(server.url) as proxy,
    ):
        client = client_of(runner, "https", proxy=proxy.url, verify=trust.ours)
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


def test_http_goes_to_the_proxy_as_it_is(runner: Any) -> None:
    """A plain URL has no tunnel: the proxy gets the whole request, and passes it on."""
    with MisbehavingServer(post=[responds(OK)]) as server, Proxy(server.url) as proxy:
        client = client_of(runner, "http", proxy=proxy.url)
        assert runner.do(client.submit, body()).id == ID
        (head,) = proxy.heads
        assert head.startswith(f"POST http://{HOST}/base/".encode())
        assert credentials() in head.lower()


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_tunnel_of_the_environment_is_taken(
    variable: str, runner: Any, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    """https goes through the proxy that the environment has for it."""
    with (
        MisbehavingServer(get=[task("completed")], tls=trust.theirs) as server,
        Proxy(server.url) as proxy,
    ):
        monkeypatch.setenv(variable, proxy.url)
        client = client_of(runner, "https", verify=trust.ours)
        runner.do(client.task(ID).refresh)
        assert [head.split(b" ")[0] for head in proxy.heads] == [b"CONNECT"]


def test_hosts_that_need_no_proxy_are_asked_directly(
    runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_PROXY is honoured, and so is a proxy that is for the other scheme."""
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


REFUSALS = {
    "wrong password": http(407, b"", "Proxy-Authenticate: Basic"),
    "no way there": http(502, b"<html>no route"),
    "not allowed": http(403, b""),
    "unavailable": http(503, b"", "Retry-After: 1"),
    "no answer": b"",
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_tunnel_that_did_not_open_carried_nothing(refusal: bytes, runner: Any) -> None:
    """Whatever the proxy says instead, the submission never left, and nobody was charged."""
    with Proxy("http://127.0.0.1:1", refuse=refusal) as proxy:
        client = client_of(runner, "https", proxy=proxy.url)
        with pytest.raises(errors.ConnectionFailed) as caught:
            runner.do(client.submit, body())
        assert len(proxy.heads) == 1
        for secret in (KEY, PASSWORD):
            assert secret not in str(caught.value) + repr(vars(caught.value))


def test_a_submission_that_is_lost_behind_a_tunnel_is_sent_once(runner: Any, trust: Trust) -> None:
    """Once the tunnel stands, what is lost in it may have arrived."""
    with MisbehavingServer(post=[resets()], tls=trust.theirs) as server, Proxy(server.url) as proxy:
        client = client_of(runner, "https", proxy=proxy.url, verify=trust.ours, retry_timeout=5)
        with pytest.raises(errors.SubmitUncertain):
            runner.do(client.submit, body())
        assert server.count("POST") == 1


def test_the_proxys_own_refusal_of_a_plain_request_is_read_as_any(runner: Any) -> None:
    """A 407 to a whole request is an answer that says no; it is sent once."""
    with MisbehavingServer(
        post=[responds_json(407, {"error": {"message": "who are you?"}})]
    ) as proxy:
        client = client_of(runner, "http", proxy=proxy.url)
        with pytest.raises(errors.APIError, match="who are you"):
            runner.do(client.submit, body())
        assert proxy.count("POST") == 1
