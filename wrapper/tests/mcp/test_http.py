"""Agents use the tools over streamable HTTP, with a token, and from no other page's origin."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.mcp.conftest import charged, facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.mcp.conftest import Setup
    from wanflow.mock import MockServer

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
            rest = process.communicate(timeout=30)[1]
            assert TOKEN not in rest


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
def test_requests_of_others_are_rejected(
    setup: Setup, headers: dict[str, str], status: int
) -> None:
    """Those without the token, and those that a web page sends by DNS rebinding."""
    allowed = {"authorization": f"Bearer {TOKEN}", "accept": "application/json, text/event-stream"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    with served(setup, WANFLOW_MCP_TOKEN=TOKEN) as (url, _):
        response = httpx2.post(url, json=body, headers={**allowed, **headers}, trust_env=False)
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
