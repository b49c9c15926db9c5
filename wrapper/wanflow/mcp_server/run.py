"""Runs the server for agents over stdio or HTTP."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server.stdio import stdio_server

from wanflow.mcp_server.calls import Calls
from wanflow.mcp_server.http import make_app, serve
from wanflow.mcp_server.server import make_server

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator

    from mcp.server.lowlevel import Server

    from wanflow.mcp_server.tools import Tools


@asynccontextmanager
async def _server(tools: Tools) -> AsyncGenerator[Server[Any]]:
    """Make the server; when it ends, submissions in flight get their responses recorded."""
    async with tools.client, anyio.create_task_group() as group:
        yield make_server(tools, Calls(group))
        group.cancel_scope.cancel()


async def run_stdio(tools: Tools) -> None:
    """Serve stdin and stdout until stdin ends."""
    async with _server(tools) as server, stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())


async def run_http(
    tools: Tools, listener: socket.socket, token: str, hosts: tuple[str, ...]
) -> None:
    """Serve HTTP until a signal stops it."""
    async with _server(tools) as server:
        await serve(make_app(server, token, listener.getsockname()[1], hosts), listener)
