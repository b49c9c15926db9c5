"""The mock as a transport for httpx, sync and async, without a socket."""

from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Unpack

import httpx
from anyio.from_thread import start_blocking_portal

from wanflow.mock.http.request import MAX_BODY_SIZE, Request, raw_path
from wanflow.mock.mock import Mock

if TYPE_CHECKING:
    from concurrent.futures import Future

    from anyio.from_thread import BlockingPortal

    from wanflow.mock.gateway.fault import Fault
    from wanflow.mock.options import Options

_ORIGIN = "http://wanflow.mock"


class MockTransport(Mock, httpx.BaseTransport, httpx.AsyncBaseTransport):
    """`httpx.Client(transport=MockTransport(), …)`, and the same for `AsyncClient`.

    Requests to any host reach the mock; `base_url` is the one to use. The options are those of
    `wanflow.mock.options.Options`. Faults of the socket raise the httpx exceptions that a
    socket would cause; those that would last forever raise immediately.
    """

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__(_ORIGIN, **options)
        self._lock = threading.Lock()
        self._thread = ExitStack()
        self._portal: BlockingPortal | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Handle a request of a sync client."""
        content = request.read()
        return self._start_exchange(request, content).result()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Handle a request of an async client."""
        content = await request.aread()
        return await asyncio.wrap_future(self._start_exchange(request, content))

    def close(self) -> None:
        """End the thread; a later request starts another."""
        self.app.detach()
        with self._lock, self._thread:
            portal, self._portal = self._portal, None
            if portal is not None:
                portal.call(portal.stop, True)

    async def aclose(self) -> None:
        """End the thread; a later request starts another."""
        await asyncio.to_thread(self.close)

    def _start_exchange(self, request: httpx.Request, content: bytes) -> Future[httpx.Response]:
        with self._lock:
            if self._portal is None:
                self._portal = self._thread.enter_context(start_blocking_portal())
            return self._portal.start_task_soon(self._exchange, request, content)

    async def _exchange(self, request: httpx.Request, content: bytes) -> httpx.Response:
        self.app.attach()
        response = await self.app.respond(_request(request, content))
        if response.fault is not None and response.fault.name != "drip":
            raise _httpx_error(response.fault, request)
        body = b"" if request.method == "HEAD" else response.body
        return httpx.Response(response.status, headers=response.header_list(), content=body)


def _request(request: httpx.Request, content: bytes) -> Request:
    headers = {name.lower(): value for name, value in request.headers.raw}
    path = raw_path(request.url.raw_path) or "/"
    fitting = content if len(content) <= MAX_BODY_SIZE else None
    return Request(request.method, path, headers, fitting)


def _httpx_error(fault: Fault, request: httpx.Request) -> httpx.TransportError:
    name: str = fault.name
    kinds: dict[str, Any] = {
        "empty": httpx.RemoteProtocolError,
        "wrong-length": httpx.RemoteProtocolError,
        "stall": httpx.ReadTimeout,
        "stall-in-body": httpx.ReadTimeout,
    }
    error: httpx.TransportError = kinds.get(name, httpx.ReadError)(f"mock: {name}", request=request)
    return error
