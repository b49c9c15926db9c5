"""Client and AsyncClient behind one synchronous interface for tests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

import httpx

from wanflow import AsyncClient, Client
from wanflow_contract.support.unavailable import tls_context

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from wanflow_contract.support.api_under_test import ApiUnderTest

CLIENT_KINDS = ("sync", "async")
_RETRY_TIMEOUT = 5.0


def timeouts_of(target: ApiUnderTest) -> dict[str, float]:
    """Return timeouts that keep a client from waiting for a broken server."""
    return {"timeout": target.client.timeout, "retry_timeout": _RETRY_TIMEOUT}


class FaultHeaderTransport(httpx.BaseTransport):
    """A transport that adds headers to each request."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)
        self._inner = httpx.HTTPTransport(trust_env=False, verify=tls_context())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.headers.update(self._headers)
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


class AsyncFaultHeaderTransport(httpx.AsyncBaseTransport):
    """The same for AsyncClient."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)
        self._inner = httpx.AsyncHTTPTransport(trust_env=False, verify=tls_context())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers.update(self._headers)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def fault_header_transport(client_kind: str, headers: Mapping[str, str]) -> Any:
    """Return a transport for a kind of client that adds headers."""
    return (
        FaultHeaderTransport(headers)
        if client_kind == "sync"
        else AsyncFaultHeaderTransport(headers)
    )


class ClientDriver:
    """A sync or async client used from synchronous code: `driver.do(lambda client: …)`."""

    def __init__(self, client_kind: str, **settings: Any) -> None:
        kind = AsyncClient if client_kind == "async" else Client
        self.client: Any = kind(**settings)
        self._runner = asyncio.Runner() if client_kind == "async" else None

    def do(self, work: Callable[[Any], Any]) -> Any:
        """Call a function with the client and return its value, awaited for an async client."""
        if self._runner is None:
            return work(self.client)
        return self._runner.run(_awaited(work, self.client))

    def close(self) -> None:
        """Close the client, and its event loop."""
        if self._runner is None:
            self.client.close()
            return
        self._runner.run(self.client.close())
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def _awaited(work: Callable[[Any], Awaitable[Any]], client: Any) -> Any:
    return await work(client)


def call_client(client_kind: str, work: Callable[[Any], Any], **settings: Any) -> Any:
    """Open a client, call a function with it, and return the value."""
    with ClientDriver(client_kind, **settings) as driver:
        return driver.do(work)
