"""An agent in a process of its own, which is killed: it submits a request, and saves its files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from tests.mcp.conftest import Setup, facts

if TYPE_CHECKING:
    from mcp import Client


async def run(client: Client, body: dict[str, Any]) -> None:
    """Submit a request, wait for its task, and save its files."""
    task = {"task_id": facts(await client.call_tool("submit", {"request": body}))["task_id"]}
    facts(await client.call_tool("wait", task))
    facts(await client.call_tool("download", task))


async def main(base_url: str, folder: str, options: list[str], body: dict[str, Any]) -> None:
    """Say when the agent begins."""
    async with Setup(base_url, Path(folder), tuple(options)).stdio_client() as client:
        print("begins", flush=True)  # noqa: T201
        await run(client, body)
        await anyio.sleep(10)


if __name__ == "__main__":
    anyio.run(main, *json.loads(sys.argv[1]))
