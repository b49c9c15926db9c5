"""The mock without a server: as a transport, as an ASGI app, and as a pytest fixture."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
import tomllib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.plain_http import PLAIN
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import Mock, MockServer, MockTransport, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Iterator

CATALOG = packaged_catalog()
MODEL = next(model for model in CATALOG.models.values() if model.kind == "image")
AUTH = {"Authorization": "Bearer k"}


def run_task(http: httpx.Client) -> list[str]:
    """Follow a task from its submission to its file; return its statuses and the media type."""
    task = http.post(MODEL.path, json=dict(MODEL.example)).json()
    details = [http.get(f"/v1/tasks/{task['id']}").json() for _ in range(2)]
    file = http.get(details[-1]["results"][0])
    return [task["status"], *(one["status"] for one in details), file.headers["content-type"]]


@contextmanager
def client_on_transport(**options: Any) -> Iterator[tuple[MockTransport, httpx.Client]]:
    """Yield a transport and a sync client on it."""
    mock = MockTransport(**options)
    with httpx.Client(transport=mock, base_url=mock.base_url, headers=AUTH) as http:
        yield mock, http


RUN = ["pending", "processing", "completed", "image/png"]


class TestTransport:
    """An httpx transport without sockets."""

    def test_with_a_sync_client(self) -> None:
        """A sync client gets the same responses as over a socket, files included."""
        with client_on_transport() as (_mock, http):
            assert run_task(http) == RUN

    def test_with_an_async_client(self) -> None:
        """An async client does, too, with concurrent requests."""

        async def main() -> None:
            mock = MockTransport(polls=1)
            client = httpx.AsyncClient(transport=mock, base_url=mock.base_url, headers=AUTH)
            async with client as http:
                posts = [http.post(MODEL.path, json=dict(MODEL.example)) for _ in range(20)]
                ids = [response.json()["id"] for response in await asyncio.gather(*posts)]
                assert len(set(ids)) == 20
                response = await http.get(f"/v1/tasks/{ids[7]}")
                assert response.json()["status"] == "completed"

        asyncio.run(main())

    def test_no_thread_outlives_it(self) -> None:
        """Its threads end when it is closed."""
        before = threading.active_count()
        with client_on_transport() as (_mock, http):
            run_task(http)
        assert threading.active_count() == before

    @pytest.mark.processes
    def test_it_works_without_the_server_s_libraries(self) -> None:
        """It imports neither uvicorn nor httptools."""
        code = """
            import sys
            sys.modules["uvicorn"] = sys.modules["httptools"] = None
            import httpx
            from wanflow.mock import MockTransport
            with MockTransport() as mock:
                with httpx.Client(transport=mock, base_url=mock.base_url) as http:
                    print(http.get("/v1/tasks/x").status_code)
        """
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            check=False,
            capture_output=True,
            text=True,
        )
        assert (done.stdout.strip(), done.stderr) == ("401", "")

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            ("reset", httpx.ReadError),
            ("empty", httpx.RemoteProtocolError),
            ("stall", httpx.ReadTimeout),
            ("lost-response", httpx.ReadError),
            ("reset-after-headers", httpx.ReadError),
            ("reset-in-body", httpx.ReadError),
            ("stall-in-body", httpx.ReadTimeout),
            ("wrong-length=5", httpx.RemoteProtocolError),
        ],
    )
    def test_connection_faults_are_exceptions_of_httpx(self, fault, error) -> None:
        """Each is the exception over a socket; a stall raises a timeout immediately."""
        with client_on_transport() as (mock, http):
            with pytest.raises(error, match="mock"):
                http.post(MODEL.path, json=dict(MODEL.example), headers={"X-Mock-Fault": fault})
            made = len(mock.gateway.tasks)
            assert made == (0 if fault in {"reset", "empty", "stall"} else 1)

    def test_response_faults_are_responses(self) -> None:
        """Statuses and wrong bodies are as over a socket; a slow body arrives whole."""
        with client_on_transport() as (_mock, http):
            for fault, status in (("status=520", 520), ("html", 200), ("drip=0.001", 200)):
                headers = {"X-Mock-Fault": fault}
                response = http.post(MODEL.path, json=dict(MODEL.example), headers=headers)
                assert response.status_code == status

    def test_its_clock_can_be_advanced(self) -> None:
        """It has the same controls as the server."""
        with client_on_transport(clock=VirtualClock(), seconds=60) as (mock, http):
            task = http.post(MODEL.path, json=dict(MODEL.example)).json()["id"]
            assert http.get(f"/v1/tasks/{task}").json()["status"] == "pending"
            mock.clock.advance(60)
            assert http.get(f"/v1/tasks/{task}").json()["status"] == "completed"
        assert [entry.status for entry in mock.journal] == [200, 200, 200]


def test_any_asgi_server_may_serve_it() -> None:
    """`Mock(origin).app` is an ASGI application."""

    async def main() -> list[int]:
        mock = Mock("http://elsewhere.example:9000")
        transport = httpx.ASGITransport(app=mock.app)
        async with httpx.AsyncClient(
            transport=transport, base_url=mock.base_url, headers=AUTH
        ) as http:
            task = (await http.post(MODEL.path, json=dict(MODEL.example))).json()["id"]
            details = [(await http.get(f"/v1/tasks/{task}")).json() for _ in range(2)]
            file = await http.get(details[-1]["results"][0])
        mock.app.detach()
        assert details[-1]["results"][0].startswith("http://elsewhere.example:9000/media/")
        return [file.status_code]

    assert asyncio.run(main()) == [200]


class TestFixture:
    """The pytest plugin."""

    def run(self, tmp_path: Path, code: str) -> str:
        (tmp_path / "test_user.py").write_text(textwrap.dedent(code))
        options = ("-q", "--strict-markers", "-W", "error", "-p", "no:cacheprovider")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "wanflow.mock.pytest_plugin", *options],
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
        )
        return done.stdout + done.stderr

    @pytest.mark.processes
    def test_each_test_gets_its_own_mock(self, tmp_path) -> None:
        """Tasks, clock and faults of one test do not affect the next."""
        out = self.run(
            tmp_path,
            """
            import httpx, pytest

            @pytest.mark.parametrize("turn", [1, 2])
            def test_own(wanflow_mock, turn):
                assert len(wanflow_mock.gateway.tasks) == 0
                assert not list(wanflow_mock.faults) and not list(wanflow_mock.journal)
                wanflow_mock.faults.add("status=503", count=1)
                headers = {"Authorization": f"Bearer {wanflow_mock.api_key}"}
                url = f"{wanflow_mock.base_url}/v1/tasks/task-unified-1-aaaaaaaa"
                assert httpx.get(url, headers=headers, trust_env=False).status_code == 503
                assert httpx.get(url, headers=headers, trust_env=False).status_code == 404
                wanflow_mock.clock.advance(60)
            """,
        )
        assert "2 passed" in out, out

    @pytest.mark.processes
    def test_a_marker_sets_its_options(self, tmp_path) -> None:
        """Options come from markers; the nearest one takes precedence."""
        out = self.run(
            tmp_path,
            """
            import pytest
            from wanflow.mock import VirtualClock
            pytestmark = pytest.mark.wanflow_mock(api_key="of-the-user", seed=1)

            @pytest.mark.wanflow_mock(clock=VirtualClock(5.0), seed=2)
            def test_marked(wanflow_mock):
                assert wanflow_mock.api_key == "of-the-user"
                assert wanflow_mock.gateway.seed == 2
                assert wanflow_mock.clock.now() == 5
            """,
        )
        assert "1 passed" in out, out

    @pytest.mark.processes
    @pytest.mark.parametrize(
        ("marked", "message"),
        [
            ("poll=1", "MockServer has no option 'poll'; did you mean 'polls'?"),
            ("'polls=1'", "give options by name, such as polls=1, not 'polls=1'"),
            ("polls='one'", "polls must be a whole number of at least 0, not 'one'"),
            (
                "polls=1, seconds=1",
                "give only one of polls, seconds and progression",
            ),
        ],
    )
    def test_an_invalid_option_in_a_marker_is_one_line(self, tmp_path, marked, message) -> None:
        """The test doesn't run, and the error has no traceback."""
        out = self.run(
            tmp_path,
            f"""
            import pytest

            @pytest.mark.wanflow_mock({marked})
            def test_marked(wanflow_mock):
                pass
            """,
        )
        assert "1 error" in out, out
        assert f"@pytest.mark.wanflow_mock: {message}" in out
        assert "Traceback" not in out
        assert "pytest_plugin.py" not in out

    def test_the_package_registers_the_plugin(self) -> None:
        """The entry points of the package name the plugin."""
        project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())[
            "project"
        ]
        announced = project["entry-points"]["pytest11"]
        assert announced == {"wanflow": "wanflow.mock.pytest_plugin"}


def test_a_server_on_all_addresses_has_a_loopback_url() -> None:
    """`0.0.0.0` can't be connected to, so URLs have the loopback address."""
    with MockServer(host="0.0.0.0") as server:
        assert server.base_url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{server.url}/_mock/health", **PLAIN).status_code == 200


def test_a_server_may_listen_on_ipv6() -> None:
    """An IPv6 address is written in brackets."""
    with MockServer(host="::1") as server:
        assert server.base_url.startswith("http://[::1]:")
        assert httpx.get(f"{server.url}/_mock/health", **PLAIN).status_code == 200
