"""Runs the server for agents over stdio or HTTP."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server.stdio import stdio_server

from wanflow.mcp_server.calls import Calls
from wanflow.mcp_server.http import make_app, serve
from wanflow.mcp_server.server import make_server
from wanflow.mcp_server.stdin_lines import stdin_lines

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable
    from types import FrameType

    from mcp.server.lowlevel import Server

    from wanflow.mcp_server.tools import Tools

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


async def run_stdio(tools: Tools) -> None:
    """Serve stdin and stdout until stdin ends or a signal comes."""

    async def serve_stdio(server: Server[Any], stopped: anyio.Event) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel_when, stopped, group.cancel_scope)
            async with stdio_server(stdin_lines()) as (reader, writer):
                await server.run(reader, writer, server.create_initialization_options())
            group.cancel_scope.cancel()

    await _run(tools, serve_stdio)


async def run_http(
    tools: Tools, listener: socket.socket, token: str, hosts: tuple[str, ...]
) -> None:
    """Serve HTTP until a signal comes."""

    async def serve_http(server: Server[Any], stopped: anyio.Event) -> None:
        app = make_app(server, token, listener.getsockname()[1], hosts)
        await serve(app, listener, stopped)

    await _run(tools, serve_http)


async def _run(
    tools: Tools, serve_until: Callable[[Server[Any], anyio.Event], Awaitable[None]]
) -> None:
    """Serve; at the end, submissions in flight get their responses recorded."""
    stopped = anyio.Event()
    async with anyio.create_task_group() as outer:
        outer.start_soon(_watch_signals, stopped)
        async with tools.client, anyio.create_task_group() as work:
            await serve_until(make_server(tools, Calls(work)), stopped)
            work.cancel_scope.cancel()
        outer.cancel_scope.cancel()


async def _watch_signals(stopped: anyio.Event) -> None:
    """Stop at a signal, as at the end of stdin; clients send one some seconds after that."""
    known = (getattr(signal, name) for name in _SIGNALS if hasattr(signal, name))
    numbers = [one for one in known if signal.getsignal(one) is not signal.SIG_IGN]
    try:
        with anyio.open_signal_receiver(*numbers) as received:
            async for _ in received:
                stopped.set()
    except NotImplementedError:  # the event loop of Windows
        loop = asyncio.get_running_loop()

        def stop(_number: int, _frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(stopped.set)

        for one in numbers:
            signal.signal(one, stop)


async def _cancel_when(stopped: anyio.Event, scope: anyio.CancelScope) -> None:
    await stopped.wait()
    scope.cancel()
