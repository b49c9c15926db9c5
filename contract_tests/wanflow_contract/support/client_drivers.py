"""The client in both of its colours, driven by one synchronous test."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

import httpx

from wanflow import AsyncClient, Client
from wanflow_contract.support.http_client import trusted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

COLOURS = ("sync", "async")
PATIENCE = {"timeout": 10.0, "retry_timeout": 5.0}
"""What keeps a client from waiting for long where a server is broken."""


class Steering(httpx.BaseTransport):
    """A transport that adds headers to each request on its way."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)
        self._inner = httpx.HTTPTransport(trust_env=False, verify=trusted())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.headers.update(self._headers)
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


class AsyncSteering(httpx.AsyncBaseTransport):
    """The same in the other colour."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)
        self._inner = httpx.AsyncHTTPTransport(trust_env=False, verify=trusted())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers.update(self._headers)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def steering(colour: str, headers: Mapping[str, str]) -> Any:
    """Return a transport of a colour that adds headers."""
    return Steering(headers) if colour == "sync" else AsyncSteering(headers)


class Face:
    """A client of a colour, used from synchronous code: `face.do(lambda client: …)`."""

    def __init__(self, colour: str, **settings: Any) -> None:
        kind = AsyncClient if colour == "async" else Client
        self.client: Any = kind(**settings)
        self._runner = asyncio.Runner() if colour == "async" else None

    def do(self, work: Callable[[Any], Any]) -> Any:
        """Do some work with the client and return its value, awaited where it has to be."""
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


def play(colour: str, work: Callable[[Any], Any], **settings: Any) -> Any:
    """Open a client of a colour, do some work with it, and return its value."""
    with Face(colour, **settings) as face:
        return face.do(work)
