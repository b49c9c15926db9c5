"""The examples of docs/agents.md are correct."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click

from wanflow._config import checked_key
from wanflow.catalog.catalog import packaged_catalog
from wanflow.cli.mcp import mcp
from wanflow.mcp_server.server import make_tools

TEXT = (Path(__file__).parents[3] / "docs/agents.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def test_the_commands_and_the_configuration_are_valid(tmp_path: Path) -> None:
    """Each option of them exists."""
    lines = [shlex.split(line) for code in blocks("sh") for line in code.splitlines()]
    (shown,) = (json.loads(code)["mcpServers"]["wanflow"] for code in blocks("json"))
    commands = [line[1:] for line in lines if line[0] == "wanflow"] + [shown["args"]]
    for name, *arguments in commands:
        given = [str(tmp_path) if "/" in one else one for one in arguments]
        assert name == mcp.name
        assert isinstance(mcp.make_context("mcp", given), click.Context)


def test_the_configuration_has_a_key_that_may_be_replaced_or_not() -> None:
    """Pasted as it is, the server starts: its key is one that a mock takes."""
    (shown,) = (json.loads(code)["mcpServers"]["wanflow"] for code in blocks("json"))
    key = shown["env"]["WANFLOW_API_KEY"]
    assert checked_key(key, "the page") == key


def test_the_table_has_all_tools() -> None:
    """In their order."""
    listed = re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)
    assert listed == [tool.name for tool in make_tools(packaged_catalog())]
