"""Links begin with a host at which the mock is reached, never with one that a request made up."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.any_model import model_name
from tests.examples import examples
from tests.plain_http import PLAIN
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import Mock, MockServer, MockTransport
from wanflow.mock.http.request import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

CATALOG = packaged_catalog()
MODEL = CATALOG.models[model_name("image")]
PORT = 8765
ORIGIN = f"http://127.0.0.1:{PORT}"
KEY = {"Authorization": "Bearer k"}


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer(polls=0, allow_hosts=["mock.test", "one.test:8700"]) as server:
        yield server


def submit(server: MockServer, **headers: str) -> str:
    response = httpx.post(
        server.base_url + MODEL.path, json=MODEL.example, headers={**KEY, **headers}, **PLAIN
    )
    return str(response.json()["id"])


def link(server: MockServer, **headers: str) -> str:
    """Return the link in the status response of a completed task."""
    response = httpx.get(
        f"{server.base_url}/v1/tasks/{submit(server)}",
        headers={**KEY, **{name.replace("_", "-"): value for name, value in headers.items()}},
        **PLAIN,
    )
    return str(response.json()["results"][0])


class TestHost:
    """Without `public_url`, the Host header decides where that is safe."""

    @pytest.mark.parametrize(
        "host",
        [
            "localhost", "LOCALHOST:9000", "127.0.0.1:1", "[::1]:65535", "[::1]",
            "mock.test", "Mock.Test:123", "one.test:8700",
        ],
    )  # fmt: skip
    def test_a_safe_host_is_followed(self, server, host) -> None:
        """Loopback names with any port, and allowed hosts, are used as they were sent."""
        assert link(server, Host=host).startswith(f"http://{host.lower()}/media/")

    @pytest.mark.parametrize(
        "host",
        [
            "evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example",
            "localhost:99999", "localhost:", "localhost:80:80", "localhost/x", "localhost@evil",
            "evil@localhost", "[::1", "::1", "[::2]", "127.0.0.2", "0.0.0.0", "localhost.",
            "one.test", "one.test:8701", "x.mock.test", "mock.test evil", "", "localhost, evil",
        ],
    )  # fmt: skip
    def test_any_other_host_is_ignored(self, server, host) -> None:
        """The link begins with the mock's own address."""
        assert link(server, Host=host).startswith(f"{server.url}/media/")

    @pytest.mark.parametrize(
        "header",
        ["X-Forwarded-Host", "X-Forwarded-Server", "Forwarded", "X-Host", "X-Forwarded-Prefix",
         "X-Forwarded-Proto", "X-Original-Host", "X-Forwarded-Port"],
    )  # fmt: skip
    def test_forwarded_headers_are_never_read(self, server, header) -> None:
        """A header in place of Host has no effect, even if it names a safe host."""
        for value in ("evil.example", "localhost:1", "host=localhost:1", "https"):
            headers = {header.replace("-", "_"): value}
            assert link(server, **headers).startswith(f"{server.url}/media/")

    @pytest.mark.parametrize(
        ("listening", "addresses"),
        [("0.0.0.0", ("127.0.0.1", "127.0.0.9")), ("::", ("127.0.0.9", "[::1]"))],
    )
    def test_the_address_of_the_connection_is_safe(self, listening, addresses) -> None:
        """A server on all addresses follows the address that a client connected to."""
        with MockServer(host=listening, polls=0) as server:
            port = server.port
            for address in addresses:
                base = f"http://{address}:{port}"
                task = submit(server)
                got = httpx.get(
                    f"{base}{server.gateway.api.base}/v1/tasks/{task}", headers=KEY, **PLAIN
                )
                assert got.json()["results"][0].startswith(f"{base}/media/")
            forged = {"Host": f"127.0.0.8:{port}"}
            assert link(server, **forged).startswith(f"{server.url}/media/")

    def test_a_link_of_a_followed_host_downloads(self, server) -> None:
        """A link that names localhost leads to the file."""
        found = link(server, Host=f"localhost:{server.port}")
        assert httpx.get(found, **PLAIN).status_code == 200

    def test_http_1_0_needs_no_host(self, server) -> None:
        """Without a Host header, links begin with the mock's own address."""
        request = f"GET {server.gateway.api.base}/v1/tasks/{submit(server)} HTTP/1.0\r\n"
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(f"{request}Authorization: Bearer k\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert f'"{server.url}/media/'.encode() in answer

    @settings(max_examples=examples(300))
    @given(host=st.one_of(
        st.binary(max_size=40),
        st.builds(
            "{}{}{}".format,
            st.sampled_from(["localhost", "127.0.0.1", "[::1]", "mock.test", "evil", ""]),
            st.sampled_from([":", "@", ".", "/", "#", "?", "\\", " ", "\t", "%", ""]),
            st.sampled_from(["80", "evil.example", "localhost", "0x1", "-1", "٣", ""]),
        ).map(lambda text: text.encode("utf-8")),
    ))  # fmt: skip
    def test_whatever_a_host_is_the_link_names_a_known_one(self, host) -> None:
        """Of any bytes, a link has the name of a known host, and a port or none."""
        app = Mock(ORIGIN, allow_hosts=["mock.test"]).app
        base = app.hosts.link_base(Request("GET", "/", {b"host": host}))
        url = httpx.URL(base + "/media/x")
        assert url.host in {"localhost", "127.0.0.1", "::1", "mock.test"}
        assert (url.scheme, url.path, url.userinfo) == ("http", "/media/x", b"")


class TestPublicUrl:
    """`public_url` is what all links begin with."""

    @pytest.mark.parametrize("host", ["localhost:1", "evil.example", "127.0.0.1"])
    def test_it_takes_precedence_over_the_host(self, host) -> None:
        """No Host header changes the links; a closing slash isn't doubled."""
        with MockServer(polls=0, public_url="https://dev.example/mock/") as server:
            assert link(server, Host=host).startswith("https://dev.example/mock/media/")
            spec = httpx.get(f"{server.url}/_mock/openapi.json", **PLAIN).json()
            assert spec["servers"][0]["url"].startswith("https://dev.example/mock/")
            uploaded = httpx.put(f"{server.url}/_mock/uploads/{EMPTY}.bin", content=b"", **PLAIN)
            assert uploaded.json()["url"].startswith("https://dev.example/mock/_mock/uploads/")
            page = httpx.get(f"{server.url}/_mock/health", headers={"Host": "dev.example"}, **PLAIN)
            assert page.status_code == 200

    def test_the_base_url_of_a_server_stays_local(self) -> None:
        """`base_url` is where the server listens, for clients of this process."""
        with MockServer(public_url="https://dev.example") as server:
            assert server.base_url.startswith(f"http://127.0.0.1:{server.port}/")
        assert Mock(ORIGIN, public_url="https://dev.example").url == "https://dev.example"

    def test_an_uploaded_file_is_found_by_its_public_link(self) -> None:
        """A request that names an upload below the prefix of a public URL is checked."""
        model = CATALOG.models[model_name("image", "image_urls")]
        with MockServer(polls=0, public_url="https://dev.example/mock") as server:
            for name, fails in ((EMPTY, True), ("0" * 64, True)):
                httpx.put(f"{server.url}/_mock/uploads/{EMPTY}.png", content=b"", **PLAIN)
                url = f"https://dev.example/mock/_mock/uploads/{name}.png"
                body = {**model.example, "image_urls": [url]}
                made = httpx.post(server.base_url + model.path, json=body, headers=KEY, **PLAIN)
                got = httpx.get(
                    f"{server.base_url}/v1/tasks/{made.json()['id']}", headers=KEY, **PLAIN
                )
                assert (got.json()["status"] == "failed") is fails


EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class TestCallback:
    """The links in a callback begin as those of the submission's response would."""

    @pytest.mark.parametrize(
        ("host", "expected"),
        [("localhost:9", "http://localhost:9"), ("evil.example", None), ("mock.test", None)],
    )
    def test_a_forged_host_is_in_no_callback(self, host, expected) -> None:
        """A safe host of the submission is followed, any other is not."""
        with MockTransport(polls=0) as transport:
            with httpx.Client(transport=transport, headers=KEY) as http:
                url = transport.base_url + MODEL.path
                name = http.post(url, json=MODEL.example, headers={"Host": host}).json()["id"]
            task = next(task for task in transport.gateway.tasks if task.id == name)
            sent = transport.gateway.status_response(task)  # what the sender sends
        assert sent["results"][0].startswith(f"{expected or transport.url}/media/")
        assert "evil" not in json.dumps(sent)


class TestPage:
    """`/_mock` of a mock on loopback needs a host that links may name."""

    def test_an_allowed_host_may_use_it(self, server) -> None:
        """A name of `allow_hosts` is no DNS rebinding."""
        for host, status in (("mock.test:80", 200), ("one.test:8700", 200), ("one.test", 403)):
            got = httpx.get(f"{server.url}/_mock/health", headers={"Host": host}, **PLAIN)
            assert got.status_code == status
