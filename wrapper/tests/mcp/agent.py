"""An agent in a process of its own, which is killed: it starts a server, and submits a request."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import anyio

from tests.mcp.conftest import Setup


async def submit(base_url: str, folder: str, options: list[str], body: dict[str, Any]) -> None:
    """Submit a request, and say when it begins and ends."""
    async with Setup(base_url, Path(folder), tuple(options)).client() as client:
        print("begins", flush=True)  # noqa: T201
        await client.call_tool("submit", {"request": body})
        print("ends", flush=True)  # noqa: T201
        await anyio.sleep(10)


if __name__ == "__main__":
    anyio.run(submit, *json.loads(sys.argv[1]))
