"""The mock below a path: mounted in an application, and behind a proxy that removes a prefix."""

from __future__ import annotations

import http.client
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

import wanflow
from tests.any_model import model_name
from tests.plain_http import PLAIN
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import Mock, MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator

CATALOG = packaged_catalog()
MODEL = CATALOG.models[model_name("image")]
ORIGIN = "http://127.0.0.1:8000"
KEY = {"Authorization": "Bearer k"}


def mock_app(**options: Any) -> Any:
    return Mock(ORIGIN, polls=0, **options).app


def starlette(app: Any) -> Any:
    return Starlette(routes=[Mount("/mock", app)])


def fastapi(app: Any) -> Any:
    """Mount the mock in FastAPI, below a root path that the paths of requests may lack."""
    outer = FastAPI()
    outer.mount("/mock", app)

    async def with_root_path(scope: Any, receive: Any, send: Any) -> None:
        await outer({**scope, "root_path": "/x"}, receive, send)

    return with_root_path


def mounted_twice(app: Any) -> Any:
    return Starlette(routes=[Mount("/a", Starlette(routes=[Mount("/mock", app)]))])


def with_space(app: Any) -> Any:
    return Starlette(routes=[Mount("/my mock", app)])


# The application, the path that the mock's paths follow in a request, and the one in its links.
MOUNTS = [
    (lambda app: app, "", ""),
    (starlette, "/mock", "/mock"),
    (mounted_twice, "/a/mock", "/a/mock"),
    (with_space, "/my%20mock", "/my%20mock"),
    (fastapi, "/mock", "/x/mock"),  # as behind a proxy that removes /x
    (fastapi, "/x/mock", "/x/mock"),  # and one that doesn't
]


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
class TestMount:
    """An ASGI application that the mock is a part of."""

    @pytest.mark.parametrize(("wrap", "below", "linked"), MOUNTS)
    @pytest.mark.parametrize("host", ["localhost:9999", "evil.example"])
    async def test_links_have_the_path_of_the_mount(
        self, wrap, below, linked, host, anyio_backend
    ) -> None:
        """Each path of the mock is found below the mount, and links lead there."""
        base = f"http://{host}" if "evil" not in host else ORIGIN
        transport = httpx.ASGITransport(wrap(mock_app()))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            made = await client.post(f"{below}/apiv1{MODEL.path}", json=MODEL.example, headers=KEY)
            path = f"{below}/apiv1/v1/tasks/{made.json()['id']}"
            (link, *_) = (await client.get(path, headers=KEY)).json()["results"]
            assert link.startswith(f"{base}{linked}/media/")
            file = await client.get(below + link.removeprefix(base + linked))
            assert file.status_code == 200
            spec = (await client.get(f"{below}/_mock/openapi.json", headers=LOOPBACK)).json()
            assert spec["servers"] == [{"url": f"http://localhost{linked}/apiv1"}]
            moved = await client.get(f"{below}/_mock", headers=LOOPBACK)
            assert moved.headers["location"] == "_mock/"
            unknown = (await client.get(f"{below}/apiv1/v1/x")).json()["error"]["message"]
            assert unknown == "Invalid URL (GET /v1/x)"

    async def test_a_public_url_is_the_whole_beginning(self, anyio_backend) -> None:
        """The path of the mount isn't added to it: the user wrote what clients see."""
        app = starlette(mock_app(public_url="https://dev.example/here"))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            made = await client.post(f"/mock/apiv1{MODEL.path}", json=MODEL.example, headers=KEY)
            path = f"/mock/apiv1/v1/tasks/{made.json()['id']}"
            (link, *_) = (await client.get(path, headers=KEY)).json()["results"]
        assert link.startswith("https://dev.example/here/media/")

    @pytest.mark.parametrize("scheme", ["http", "https"])
    async def test_the_scheme_is_that_of_the_server(self, scheme, anyio_backend) -> None:
        """A server that speaks TLS gets links with https."""
        transport = httpx.ASGITransport(mock_app())
        base = f"{scheme}://localhost:1"
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            spec = (await client.get("/_mock/openapi.json")).json()
        assert spec["servers"] == [{"url": f"{base}/apiv1"}]


LOOPBACK = {"Host": "localhost"}


@contextmanager
def running(app: Any, **options: Any) -> Iterator[int]:
    """Run an application with uvicorn; yield its port."""
    config = uvicorn.Config(app, port=0, log_level="error", lifespan="off", **options)
    server = uvicorn.Server(config)
    bound = config.bind_socket()
    # So that connections wait for a server that begins late.
    bound.listen()
    thread = threading.Thread(target=server.run, args=([bound],), daemon=True)
    thread.start()
    try:
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(60)
        bound.close()


@contextmanager
def stripping_proxy(port: int, prefix: str, *, keeps_host: bool) -> Iterator[int]:
    """Run a proxy that removes a prefix, and keeps the Host header or replaces it."""

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(f"{prefix}/"):
                self.send_error(404)
                return
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = dict(self.headers)
            if not keeps_host:
                headers["Host"] = f"127.0.0.1:{port}"
            headers |= {"X-Forwarded-Host": "evil.example", "Connection": "close"}
            upstream = http.client.HTTPConnection("127.0.0.1", port)
            upstream.request(self.command, self.path.removeprefix(prefix), content, headers)
            answer = upstream.getresponse()
            body = answer.read()
            upstream.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"date", "server", "connection"}:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join(60)


def use(base_url: str) -> bytes:
    """Submit with the library, and return the bytes of the result."""
    with wanflow.Client(base_url=base_url, api_key="k") as client:
        return client.submit(**MODEL.example).refresh().result().read()


class TestProxy:
    """The library as the client of a mock behind a proxy that removes a prefix."""

    def test_an_application_below_its_root_path(self) -> None:
        """With uvicorn's `--root-path`, links lead through the proxy, to the mount."""
        with (
            running(starlette(mock_app()), root_path="/x") as port,
            stripping_proxy(port, "/x", keeps_host=True) as front,
        ):
            assert use(f"http://127.0.0.1:{front}/x/mock/apiv1").startswith(b"\x89PNG")

    def test_an_application_whose_paths_lack_the_root_path(self) -> None:
        """So it is if the server's paths lack the root path."""
        with (
            running(fastapi(mock_app())) as port,
            stripping_proxy(port, "/x", keeps_host=True) as front,
        ):
            assert use(f"http://127.0.0.1:{front}/x/mock/apiv1").startswith(b"\x89PNG")

    def test_the_mock_s_own_server_with_a_public_url(self) -> None:
        """A proxy that replaces Host needs `public_url`; X-Forwarded-Host is ignored."""
        with (
            MockServer(polls=0) as server,
            stripping_proxy(server.port, "/dev", keeps_host=False) as front,
        ):
            public = f"http://localhost:{front}/dev"
            server.app.hosts.public_url = public  # the port of the proxy is known only now
            assert use(f"{public}/apiv1").startswith(b"\x89PNG")
            page = httpx.get(f"{public}/_mock", follow_redirects=True, **PLAIN)
        assert "wanflow mock" in page.text
        assert str(page.url) == f"{public}/_mock/"


def fallback_client(http: httpx.Client, name: str) -> dict[str, Any]:
    """Ask as a public video client does: the path of the submission first, then that of tasks."""
    first = http.get(f"/v1/videos/generations/{name}")
    if first.status_code == 200:
        return dict(first.json())
    error = first.json()["error"]
    if first.status_code == 404 and "Invalid URL" in error["message"]:
        return dict(http.get(f"/v1/tasks/{name}").raise_for_status().json())
    raise RuntimeError(error["message"])


def test_a_client_that_falls_back_by_the_words_of_the_404_works() -> None:
    """A path without an operation is answered as gateways do, with a key and without one."""
    model = CATALOG.models[model_name("video")]
    with (
        MockServer(polls=0) as server,
        httpx.Client(base_url=server.base_url, headers=KEY, **PLAIN) as http,
    ):
        name = http.post(model.path, json=model.example).json()["id"]
        assert fallback_client(http, name)["status"] == "completed"
        error = httpx.get(f"{server.base_url}/v1/videos/generations/{name}", **PLAIN).json()[
            "error"
        ]
    assert error == {
        "code": 404,
        "message": f"Invalid URL (GET /v1/videos/generations/{name})",
        "type": "invalid_request_error",
    }
