"""Agents use the tools over streamable HTTP, with a token, and from no other page's origin."""

from __future__ import annotations

import json
import re
import socket
import struct
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.mcp.conftest import KEY, Setup, charged, facts
from tests.mcp.raw import HELLO
from tests.plain_http import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.mock import MockServer

pytestmark = pytest.mark.processes

TOKEN = "a-token-of-enough-characters"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@contextmanager
def served(setup: Setup, **env: str) -> Iterator[tuple[str, str]]:
    """Run the server over HTTP, and return its URL and the token that it printed."""
    words = [sys.executable, *setup.words, "--http", "--port", "0"]
    with subprocess.Popen(
        words, env={**setup.environment, **env}, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            found = re.match(r"listening on (\S+);", process.stderr.readline())
            assert found is not None
            shown = "" if env else process.stderr.readline().removeprefix("token: ").strip()
            yield found[1], shown
        finally:
            process.terminate()
            rest = process.communicate(timeout=60)[1]
            assert TOKEN not in rest
            assert KEY not in rest


@pytest.mark.anyio
async def test_an_agent_submits_and_waits_over_http(
    setup: Setup, mock_server: MockServer, request_body: dict[str, Any]
) -> None:
    """With the token that the server made."""
    with served(setup) as (url, token):
        headers = {"authorization": f"Bearer {token}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=30) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            submitted = facts(await client.call_tool("submit", {"request": request_body}))
            task = {"task_id": submitted["task_id"]}
            assert facts(await client.call_tool("wait", task))["succeeded"]
    assert charged(mock_server) == [task["task_id"]]


def session_of(url: str) -> str:
    """Begin a session, and return its id."""
    hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}
    headers = {
        "authorization": f"Bearer {TOKEN}",
        "accept": "application/json, text/event-stream",
    }
    response = httpx2.post(url, json=hello, headers=headers, trust_env=False)
    return response.headers["mcp-session-id"]


def submission(url: str, session: str, body: dict[str, Any]) -> bytes:
    """A call of submit, as the bytes of a request."""
    call = {"name": "submit", "arguments": {"request": body}}
    content = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call})
    lines = {
        "host": urlsplit(url).netloc,
        "authorization": f"Bearer {TOKEN}",
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-session-id": session,
        "content-length": str(len(content)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {urlsplit(url).path} HTTP/1.1\r\n{head}\r\n{content}".encode()


def test_agents_that_disconnect_pay_once_and_the_server_says_nothing(
    setup: Setup, mock_server: MockServer, request_body: dict[str, Any]
) -> None:
    """In the middle of a request, or after it; the next agent gets the task that was paid for."""
    words = [sys.executable, *setup.words, "--http", "--port", "0"]
    environment = {**setup.environment, "WANFLOW_MCP_TOKEN": TOKEN}
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            url = process.stderr.readline().removeprefix("listening on ").partition(";")[0]
            address = (urlsplit(url).hostname, urlsplit(url).port)
            whole = submission(url, session_of(url), request_body)
            for sent in (whole[:-20], whole, whole):
                with socket.create_connection(address) as broken:
                    broken.sendall(sent)
                    broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            headers = {"authorization": f"Bearer {TOKEN}"}
            found = [anyio.run(_submit, url, headers, request_body) for _ in range(2)]
        finally:
            process.terminate()
            rest = process.communicate()[1]
    assert found[0] == found[1]
    assert charged(mock_server) == [found[0]]
    assert "Traceback" not in rest
    assert process.returncode == 0


async def _submit(url: str, headers: dict[str, str], body: dict[str, Any]) -> str:
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        task_id: str = facts(await client.call_tool("submit", {"request": body}))["task_id"]
        return task_id


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that nobody may use."""
    unused = Setup("http://127.0.0.1:9/apiv1", tmp_path_factory.mktemp("http"))
    with served(unused, WANFLOW_MCP_TOKEN=TOKEN) as (address, _):
        yield address


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": ""}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"host": "evil.example.com"}, 421),
        ({"host": "127.0.0.1.evil.example.com:80"}, 421),
        ({"origin": "https://evil.example.com"}, 403),
        ({"origin": "null"}, 403),
    ],
)
def test_requests_of_others_are_rejected(url: str, headers: dict[str, str], status: int) -> None:
    """Those without the token, and those that a web page sends by DNS rebinding."""
    allowed = {"authorization": f"Bearer {TOKEN}", "accept": "application/json, text/event-stream"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    response = httpx2.post(url, json=body, headers={**allowed, **headers}, **PLAIN)
    assert response.status_code == status


def test_a_short_token_is_an_error_of_the_configuration(setup: Setup) -> None:
    """Nothing is served."""
    done = subprocess.run(
        [sys.executable, *setup.words, "--http", "--port", "0"],
        env={**setup.environment, "WANFLOW_MCP_TOKEN": "short"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "at least 16" in done.stderr
    assert "short" not in done.stderr.replace("must", "")
