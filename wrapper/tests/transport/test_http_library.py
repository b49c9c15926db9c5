"""The wrapper runs on httpx2 and on httpx, and which of the two it runs on is one rule."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.clients import RUNNERS, without
from tests.transport.misbehaving_server import ID, MisbehavingServer, http, responds, task
from tests.transport.test_guarantees import KEY, body, quick
from wanflow import Client, errors
from wanflow._http_library import HTTP_LIBRARY_VARIABLE, http_library
from wanflow.mock import MockTransport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIBRARIES = ("httpx2", "httpx")
PNG = b"\x89PNG\r\n\x1a\n" + b"a" * 100
by_library = pytest.mark.parametrize("library", LIBRARIES)


@pytest.fixture(params=["asyncio", "sync", "trio"])
def runner(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return the runners of the clients that use an HTTP library; aiohttp needs none of them."""
    with RUNNERS[request.param]() as runner:
        yield runner


def other(library: str) -> str:
    return next(one for one in LIBRARIES if one != library)


def used(client: Any) -> str:
    """Return the name of the library that a client's last request to the API used."""
    pool = client._driver._transport._api
    backend = pool._backend if hasattr(pool, "_backend") else pool._loop_pools[-1].backend
    return type(backend._http).__module__.partition(".")[0]


@by_library
def test_a_variable_names_the_library(
    library: str, runner: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It submits, polls and downloads; the generated code, which imports httpx, decides nothing."""
    monkeypatch.setenv(HTTP_LIBRARY_VARIABLE, library)
    with MisbehavingServer(post=[task("pending")]) as server:
        link = f"{server.url}/a.png"
        whole = responds(http(200, PNG, "content-type: image/png"))
        server.add("GET", task("completed", results=[link]), whole)
        client = quick(runner, server)
        result = runner.do(client.run, body(), output_dir=tmp_path, timeout=60)
        assert [path.read_bytes() for path in result.paths] == [PNG]
        assert used(client) == library


def test_httpx2_is_preferred_where_it_is_installed(
    runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the variable; where httpx2 isn't installed, httpx is used."""
    monkeypatch.delenv(HTTP_LIBRARY_VARIABLE, raising=False)
    with MisbehavingServer(get=[task("pending")]) as server:
        client = quick(runner, server)
        runner.do(client.task(ID).refresh)
        assert used(client) == "httpx2"
        with without("httpx2"):
            client = quick(runner, server)
            runner.do(client.task(ID).refresh)
            assert used(client) == "httpx"


@by_library
@pytest.mark.parametrize("subclass", [False, True], ids=["its own", "a subclass"])
def test_the_library_of_a_transport_decides_for_its_client(
    library: str, subclass: bool, runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the variable names: a transport takes the requests of its own library only."""
    monkeypatch.setenv(HTTP_LIBRARY_VARIABLE, other(library))
    module = import_module(library)
    kind = type("Own", (module.MockTransport,), {}) if subclass else module.MockTransport
    requests: list[Any] = []

    def respond(request: Any) -> Any:
        requests.append(request)
        return module.Response(200, json={"id": ID, "status": "pending"})

    client = runner.client(api_key=KEY, base_url="http://a.invalid", transport=kind(respond))
    assert runner.do(client.submit, body()).id == ID
    assert isinstance(requests[0], module.Request)


@by_library
@pytest.mark.parametrize(
    ("name", "sent"),
    {
        "ConnectError": False,
        "ConnectTimeout": False,
        "PoolTimeout": False,
        "ProxyError": False,
        "UnsupportedProtocol": False,
        "ReadError": True,
        "ReadTimeout": True,
        "WriteError": True,
        "RemoteProtocolError": True,
    }.items(),
)
def test_a_transport_s_exception_shows_whether_a_submission_was_sent(
    library: str, name: str, sent: bool, runner: Any
) -> None:
    """In both libraries the same exceptions prove that no connection was made."""
    module = import_module(library)

    def fail(request: Any) -> Any:
        raise getattr(module, name)("failed", request=request)

    client = runner.client(
        api_key=KEY,
        base_url="http://a.invalid",
        transport=module.MockTransport(fail),
        retry_timeout=0,
    )
    with pytest.raises(errors.SubmitUncertain if sent else errors.ConnectionFailed) as caught:
        runner.do(client.submit, body())
    assert f"a.invalid: {name}: failed" in str(caught.value)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("requests", "WANFLOW_HTTP_LIBRARY is 'requests'; it may be httpx2 or httpx"),
        ("httpx2", "WANFLOW_HTTP_LIBRARY is 'httpx2', which isn't installed: pip install httpx2"),
    ],
)
def test_a_library_that_cannot_be_used_is_an_error_of_the_configuration(
    named: str, message: str, runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is raised when a client is created, not by its first request."""
    monkeypatch.setenv(HTTP_LIBRARY_VARIABLE, named)
    with without("httpx2"), pytest.raises(errors.ConfigurationError) as caught:
        runner.client(api_key=KEY, base_url="http://a.invalid")
    assert str(caught.value) == message


class TestMockTransport:
    """The mock is a transport of both libraries, and of clients on either."""

    @by_library
    def test_clients_of_both_libraries_take_it(self, library: str) -> None:
        """The response is one of the client's own library."""
        module = import_module(library)
        with (
            MockTransport() as mock,
            module.Client(transport=mock, base_url=mock.base_url) as client,
        ):
            response = client.get("/v1/tasks/x")
            assert isinstance(response, module.Response)
            assert response.status_code == 401

    @by_library
    def test_its_faults_are_exceptions_of_the_client_s_library(self, library: str) -> None:
        """Those that a socket would cause."""
        module = import_module(library)
        headers = {"x-mock-fault": "reset", "authorization": "Bearer k"}
        with (
            MockTransport() as mock,
            module.Client(transport=mock, base_url=mock.base_url, headers=headers) as client,
            pytest.raises(module.ReadError, match="mock: reset"),
        ):
            client.get("/v1/tasks/x")

    @by_library
    def test_a_client_of_the_wrapper_takes_it(
        self, library: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is written for neither library, so the chosen one is used."""
        monkeypatch.setenv(HTTP_LIBRARY_VARIABLE, library)
        assert http_library(MockTransport()).__name__ == library
        with (
            MockTransport(polls=1) as mock,
            Client(KEY, mock.base_url, transport=mock) as client,
        ):
            assert client.submit(body()).wait(60).urls
