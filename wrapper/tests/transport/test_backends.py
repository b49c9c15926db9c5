"""Which backend a client uses, and that all backends behave in the same way."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import pickle
import re
import socket
import ssl
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tests.client.clients import httpx
from tests.client.test_redaction import chain
from tests.transport.misbehaving_server import ID, MisbehavingServer, http, responds, task
from tests.transport.test_guarantees import KEY, body, quick
from wanflow import AsyncClient, errors
from wanflow._config import TransportOptions

if TYPE_CHECKING:
    from pathlib import Path

# httpx leaves generators to the garbage collector when decoding fails; trio warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")

PNG = b"\x89PNG\r\n\x1a\n"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


def backend_of(client: AsyncClient) -> str:
    """Return the name of the backend that a client used last."""
    return type(client._driver._transport._api._loop_pools[-1].backend).__name__


def test_each_client_uses_its_backend(runner: Any) -> None:
    """aiohttp under asyncio where it is installed; otherwise, and under trio, httpx."""
    with MisbehavingServer(get=[task("completed")]) as server:
        client = quick(runner, server)
        runner.do(client.task(ID).refresh)
        if runner.name != "sync":
            assert backend_of(client) == runner.backend


@pytest.mark.parametrize("given", ["transport", "proxy"])
def test_options_that_only_httpx_has_select_httpx(given: str, aiohttp: Any) -> None:
    """A custom transport and a proxy are used as given."""
    with MisbehavingServer(get=[task("completed")]) as server:
        own = {"transport": httpx.AsyncHTTPTransport()} if given == "transport" else {}
        proxy = {"proxy": server.url} if given == "proxy" else {}
        client = aiohttp.client(api_key=KEY, base_url=server.url, **own, **proxy)
        aiohttp.do(client.task(ID).refresh)
        assert backend_of(client) == "AsyncHttpxBackend"
        assert server.requests[0][1].startswith("http://" if proxy else "/")


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY", "all_proxy"])
def test_a_proxy_of_the_environment_is_used(
    variable: str, runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request for an unknown host arrives at the proxy with its full URL."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    with MisbehavingServer(get=[task("completed")]) as proxy:
        monkeypatch.setenv(variable, proxy.url)
        client = runner.client(api_key=KEY, base_url="http://api.invalid/base", timeout=2)
        runner.do(client.task(ID).refresh)
        assert proxy.requests[0][1] == f"http://api.invalid/base/v1/tasks/{ID}"


ENDINGS = {
    "closed": responds(b"", keep=False),
    "reset after a part": responds(b"HTTP/1.1 200 OK\r\nContent-Le", keep=False),
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
def test_no_backend_repeats_a_request_by_itself(ending: Any, runner: Any) -> None:
    """If an open connection ends without a response, only the flow decides about a retry."""
    with MisbehavingServer(get=[task("pending"), ending], post=[ending]) as server:
        client = quick(runner, server)
        asked = client.task(ID)
        runner.do(asked.refresh)
        with pytest.raises(errors.ConnectionFailed):
            runner.do(asked.refresh)
        assert server.count("GET") == 2
        server._acts["GET"].appendleft(task("pending"))
        runner.do(asked.refresh)
        with pytest.raises(errors.SubmitUncertain):
            runner.do(client.submit, body())
        assert server.count("POST") == 1


def test_a_submission_that_was_never_sent_is_not_uncertain(runner: Any) -> None:
    """If the port is closed, the name unknown or TLS fails, it is certain that nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        hosts = (
            f"http://127.0.0.1:{unused.getsockname()[1]}",
            "http://no-such-host.invalid",
            f"https://127.0.0.1:{silent.getsockname()[1]}",
        )
        for host in hosts:
            client = runner.client(api_key=KEY, base_url=host, timeout=1.5, retry_timeout=0)
            with pytest.raises(errors.ConnectionFailed):
                runner.do(client.submit, body())


def test_tls_is_verified_as_configured(runner: Any) -> None:
    """By default with the usual authorities, with the user's own context, or not at all."""
    authority = trustme.CA()
    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    authority.configure_trust(ours)
    with MisbehavingServer(get=[task("completed")], tls=theirs) as server:
        for verify in (ours, False):
            client = quick(runner, server, verify=verify)
            runner.do(client.task(ID).refresh)
        assert server.count("GET") == 2
        with pytest.raises(errors.ConnectionFailed):
            runner.do(quick(runner, server).task(ID).refresh)
        assert server.count("GET") == 2


def echo(form: str) -> Any:
    """Send the key back at a position that a backend may copy into an error."""

    def act(connection: Any) -> bool:
        secret = f"Bearer {KEY}".encode()
        connection.sendall(
            {
                "no HTTP": secret + b"\r\n\r\n",
                "reason": b"HTTP/1.1 500 " + secret + b"\r\nContent-Length: 0\r\n\r\n",
                "header": b"HTTP/1.1 500 X\r\nX-Request-Id: " + secret + b"\r\n\r\n",
                "broken header": b"HTTP/1.1 200 OK\r\n" + secret + b"\r\n\r\n",
                "length": b"HTTP/1.1 200 OK\r\nContent-Length: " + secret + b"\r\n\r\n",
                "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + secret,
                "encoding": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + secret,
                "body": http(200, b"<html>" + secret),
            }[form]
        )
        return False

    return act


FORMS = ["no HTTP", "reason", "header", "broken header", "length", "chunk", "encoding", "body"]


@pytest.mark.parametrize("form", FORMS)
def test_no_error_of_a_backend_shows_the_key(form: str, runner: Any) -> None:
    """Neither its text nor its chain, traceback or pickle has it, whatever the server repeats."""
    with MisbehavingServer(get=[echo(form)], post=[echo(form)]) as server:
        client = quick(runner, server, retry_timeout=0)
        for act in (client.task(ID).refresh, lambda: client.submit(body())):
            with pytest.raises(errors.WanflowError) as caught:
                runner.do(act)
            error = caught.value
            shown = "".join(traceback.format_exception(error)) + str(vars(error))
            assert KEY not in shown
            assert KEY.encode() not in pickle.dumps(error)
            for one in chain(error):
                assert type(one).__module__.startswith(("wanflow", "builtins", "json")), type(one)
                assert KEY not in str(one) + str(vars(one))


def test_a_response_has_sixteen_megabytes_at_most(runner: Any) -> None:
    """A larger response, compressed or not, is an error."""
    large = b" " * (16 * 1024 * 1024 + 1)
    for response in (http(200, large), http(200, gzip.compress(large), "Content-Encoding: gzip")):
        with MisbehavingServer(get=[responds(response)]) as server:
            client = quick(runner, server, timeout=20)
            with pytest.raises(errors.ConnectionFailed):
                runner.do(client.task(ID).refresh)


def test_a_compressed_response_is_decoded(runner: Any) -> None:
    """Every backend accepts gzip."""
    compressed = gzip.compress(b'{"id": "' + ID.encode() + b'", "status": "completed"}')
    with MisbehavingServer(
        get=[responds(http(200, compressed, "Content-Encoding: gzip"))]
    ) as server:
        assert runner.do(quick(runner, server).task(ID).wait, 5).task_id == ID
        assert "gzip" in server.headers(0)["accept-encoding"]


def test_large_and_many_headers_are_accepted(runner: Any) -> None:
    """Proxies and gateways may add tens of kilobytes."""
    many = [f"X-{number}: {'v' * 100}" for number in range(400)]
    content = b'{"id": "%s", "status": "completed"}' % ID.encode()
    for headers in (["X-Long: " + "v" * 50_000], many):
        with MisbehavingServer(get=[responds(http(200, content, *headers))]) as server:
            assert runner.do(quick(runner, server).task(ID).refresh).status == "completed"


def test_no_cookie_is_stored_and_no_header_added(runner: Any, tmp_path: Path) -> None:
    """Cookies aren't sent back, and all backends send the same headers."""
    with MisbehavingServer() as server:
        done = {"results": [server.url + "/a.png"]}
        head = ("Set-Cookie: session=1; Path=/", "Content-Type: application/json")
        content = b'{"id": "%s", "status": "completed", "results": ["%s"]}'
        raw = content % (ID.encode(), done["results"][0].encode())
        response = responds(http(200, raw, *head))
        server._acts["GET"] += [
            response,
            response,
            responds(http(200, PNG, "Set-Cookie: file=1; Path=/")),
        ]
        client = quick(runner, server)
        for _ in range(2):
            result = runner.do(client.task(ID).wait, 5)
        runner.do(result.download, tmp_path)
        polls = [server.headers(index) for index in range(2)]
        fetched = server.headers(2)
    common = {"host", "accept", "accept-encoding", "user-agent", "connection"}
    for headers in polls:
        assert set(headers) | {"connection"} == common | {"authorization"}
        assert headers["accept"] == "application/json"
    assert set(fetched) | {"connection"} == common
    assert fetched["accept-encoding"] == "identity"
    (agent,) = {headers["user-agent"] for headers in (*polls, fetched)}
    assert re.fullmatch(r"wanflow/\S+ \(python/\S+; (httpx2?|aiohttp)/\S+\)", agent)


LINKS = {
    "/a%2Fb/c%20d.png?sig=a%2Bb%2F%3D%7E&x=1+2": "/a%2Fb/c%20d.png?sig=a%2Bb%2F%3D%7E&x=1+2",
    "/ä b.png?q=ü#part": "/%C3%A4%20b.png?q=%C3%BC",
    "/a/../b//c.png;v=1": "/b//c.png;v=1",
    "/x[1]|'.png?a=b&&c": None,
}


@pytest.mark.parametrize("link", LINKS, ids=str)
def test_a_link_is_requested_as_httpx_writes_it(link: str, runner: Any, tmp_path: Path) -> None:
    """Links are signed, so no backend may rewrite one in its own way."""
    with MisbehavingServer() as server:
        wanted = LINKS[link] or httpx.URL(server.url + link).raw_path.decode()
        done = task("completed", results=[server.url + link])
        server._acts["GET"].extend([done, responds(http(200, b"abc"))])
        result = runner.do(quick(runner, server).task(ID).wait, 5)
        runner.do(result.download, tmp_path, timeout=2)
        assert server.requests[1][1] == wanted


def test_an_aiohttp_client_is_usable_in_a_new_event_loop(aiohttp: Any) -> None:
    """In one loop after the other, closed in between or not; no pool is left over."""
    with MisbehavingServer(get=[task("completed")]) as server:
        client = AsyncClient(KEY, server.url)

        async def one(*, close: bool) -> str:
            result = await client.task(ID).wait()
            assert backend_of(client) == "AiohttpBackend"
            if close:
                await client.close()
            return result.task_id

        for close in (True, False, True):
            with contextlib.suppress(ResourceWarning):
                assert asyncio.run(one(close=close)) == ID
        assert not client._driver._transport._api._loop_pools
        # A transport of asyncio that is still open warns when it is garbage-collected.
        with pytest.warns(ResourceWarning, match="unclosed"):
            gc.collect()


def test_connecting_fails_before_the_whole_timeout_is_over(runner: Any) -> None:
    """Connecting may use a third of the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        client = runner.client(api_key=KEY, base_url=url, timeout=1.5)
        begun = time.monotonic()
        with pytest.raises(errors.ConnectionFailed):
            runner.do(client.task(ID).refresh)
        assert time.monotonic() - begun < 1.4


def test_a_proxy_is_shown_in_no_repr() -> None:
    """Its URL may contain a password."""
    assert "secret" not in repr(TransportOptions(proxy="http://me:secret@proxy.example"))
