"""The mock as a transport for httpx2 and httpx, sync and async, without a socket."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self, Unpack

from anyio.from_thread import start_blocking_portal

from wanflow.mock.http.request import Request, max_body_size, raw_path
from wanflow.mock.mock import Mock

if TYPE_CHECKING:
    from concurrent.futures import Future
    from types import ModuleType

    from anyio.from_thread import BlockingPortal

    from wanflow.mock.gateway.fault import Fault
    from wanflow.mock.options import Options

    # To type checkers it is a transport of any library.
    _AnyTransport: Any
else:
    _AnyTransport = object

_ORIGIN = "http://wanflow.mock"


class MockTransport(Mock, _AnyTransport):  # type: ignore[misc, unused-ignore]
    """`httpx2.Client(transport=MockTransport(), …)`, and the same for `AsyncClient` and httpx.

    Requests to any host reach the mock; `base_url` is the one to use. The options are those of
    `wanflow.mock.options.Options`. Faults of the socket raise the exceptions that a
    socket would cause; those that would last forever raise immediately.
    """

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__(_ORIGIN, **options)
        self._lock = threading.Lock()
        self._thread = ExitStack()
        self._portal: BlockingPortal | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def handle_request(self, request: Any) -> Any:
        """Handle a request of a sync client."""
        content = request.read()
        return self._start_exchange(request, content).result()

    async def handle_async_request(self, request: Any) -> Any:
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

    def _start_exchange(self, request: Any, content: bytes) -> Future[Any]:
        with self._lock:
            if self._portal is None:
                self._portal = self._thread.enter_context(start_blocking_portal())
            return self._portal.start_task_soon(self._exchange, request, content)

    async def _exchange(self, request: Any, content: bytes) -> Any:
        self.app.attach()
        response = await self.app.respond(_request(request, content))
        if response.fault is not None and response.fault.name != "drip":
            raise _error(response.fault, request)
        body = b"" if request.method == "HEAD" else response.body
        headers = response.header_list()
        return _library(request).Response(response.status, headers=headers, content=body)


def _request(request: Any, content: bytes) -> Request:
    headers = {name.lower(): value for name, value in request.headers.raw}
    path = raw_path(request.url.raw_path) or "/"
    fitting = content if len(content) <= max_body_size(path.encode("latin-1")) else None
    return Request(request.method, path, headers, fitting)


def _error(fault: Fault, request: Any) -> Exception:
    name: str = fault.name
    kinds = {
        "empty": "RemoteProtocolError",
        "wrong-length": "RemoteProtocolError",
        "stall": "ReadTimeout",
        "stall-in-body": "ReadTimeout",
    }
    kind = getattr(_library(request), kinds.get(name, "ReadError"))
    error: Exception = kind(f"mock: {name}", request=request)
    return error


def _library(request: Any) -> ModuleType:
    """Return the library of a request, httpx2 or httpx."""
    return sys.modules[type(request).__module__.partition(".")[0]]
