"""Streamable HTTP: a bearer token, and checks of Host and Origin against DNS rebinding."""

from __future__ import annotations

import hmac
import logging
import socket
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import anyio
import uvicorn
from attrs import frozen
from mcp.server.transport_security import TransportSecuritySettings

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

PATH = "/mcp"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@frozen
class RequireToken:
    """An ASGI application that rejects requests without the token."""

    app: Any
    token: str

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request with the token on, and answer others with 401."""
        if scope["type"] == "http" and not self._authorized(scope["headers"]):
            headers = [(b"www-authenticate", b"Bearer"), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        await self.app(scope, receive, send)

    def _authorized(self, headers: list[tuple[bytes, bytes]]) -> bool:
        given = [value for name, value in headers if name == b"authorization"]
        wanted = f"Bearer {self.token}".encode()
        return len(given) == 1 and hmac.compare_digest(given[0], wanted)


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address, before anything is printed about it.

    Raises:
        OSError: the address can't be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def make_app(server: Server[Any], token: str, port: int, hosts: tuple[str, ...]) -> RequireToken:
    """Return the ASGI application; `hosts` are further names that clients may use."""
    names = [*(f"{one}:{port}" for one in _LOOPBACK), *hosts]
    origins = [f"{scheme}://{name}" for name in names for scheme in ("http", "https")]
    security = TransportSecuritySettings(allowed_hosts=names, allowed_origins=origins)
    return RequireToken(server.streamable_http_app(transport_security=security), token)


class _Server(uvicorn.Server):
    """A server that leaves signals to its caller."""

    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]
        """Do nothing."""
        return nullcontext()


def _is_no_disconnect(record: logging.LogRecord) -> bool:
    """Return whether a log record is of something else than a client that has gone.

    The SDK would print the traceback of each, which is nobody's fault here.
    """
    error = record.exc_info[1] if record.exc_info else None
    return type(error).__name__ != "ClientDisconnect"


async def serve(app: RequireToken, listener: socket.socket, stopped: anyio.Event) -> None:
    """Serve until `stopped` is set."""
    logging.getLogger("mcp.server.streamable_http").addFilter(_is_no_disconnect)
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
            server_header=False,
            ws="none",
        )
    )

    async def stop() -> None:
        await stopped.wait()
        server.should_exit = True

    async with anyio.create_task_group() as group:
        group.start_soon(stop)
        await server.serve(sockets=[listener])
        group.cancel_scope.cancel()
