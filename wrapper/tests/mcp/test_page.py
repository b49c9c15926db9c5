"""The configuration of docs/agents.md starts a server, as a client of agents does."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.docs.pages import blocks, page

if TYPE_CHECKING:
    from wanflow.mock import MockServer


@pytest.mark.processes
@pytest.mark.anyio
async def test_the_configuration_of_the_page_starts_a_server(
    mock_server: MockServer, tmp_path: Path, request_body: dict[str, Any]
) -> None:
    """With the key of the page, and the two variables for a trial, a task is submitted."""
    (code,) = blocks(page("agents.md"), "json")
    shown = json.loads(code)["mcpServers"]["wanflow"]
    trial = {"WANFLOW_BASE_URL": mock_server.base_url, "WANFLOW_LEDGER": "trial.db"}
    program = Path(sys.executable).with_name(shown["command"])
    path = os.environ["PATH"]
    server = StdioServerParameters(
        command=str(program),
        args=shown["args"],
        env={"PATH": path, **shown["env"], **trial},
        cwd=tmp_path,
    )
    with (tmp_path / "stderr").open("w") as errors:
        async with Client(stdio_client(server, errlog=errors)) as client:
            done = await client.call_tool("submit", {"request": request_body})
    assert not done.is_error, done
    assert (tmp_path / "trial.db").exists()
