"""Call the sync and the async client in the same way."""

from __future__ import annotations

import inspect
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Self

from anyio.from_thread import start_blocking_portal

from wanflow import AsyncClient, Client
from wanflow._http_library import http_library

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator

    import httpx as httpx  # noqa: PLC0414 - tests import it from here
else:
    httpx = http_library()  # the library that the clients of these tests run on, httpx2 or httpx


class SyncRunner:
    """Calls methods of sync clients."""

    name = "sync"

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def client(self, **options: Any) -> Client:
        """Make a client that is closed with this runner."""
        return self._stack.enter_context(Client(**options))

    def do(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a method."""
        return method(*args, **kwargs)

    def items(
        self, iterator: Iterator[Any], handle: Callable[[Any], object] = lambda _: None
    ) -> list[Any]:
        """Return all items of an iterator; `handle` is called with each before the next."""
        found: list[Any] = []
        for item in iterator:
            handle(item)
            found.append(item)
        return found


class AsyncRunner:
    """Calls methods of async clients, in an event loop of anyio's; with aiohttp if it is wanted."""

    def __init__(self, backend: str, *, aiohttp: bool = False) -> None:
        self.name = backend
        self._aiohttp = aiohttp
        self.backend = "AiohttpBackend" if aiohttp else "AsyncHttpxBackend"

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        if not self._aiohttp:
            self._stack.enter_context(without("wanflow._transport.aiohttp_backend"))
        self._portal = self._stack.enter_context(start_blocking_portal(self.name))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def client(self, **options: Any) -> AsyncClient:
        """Make a client that is closed with this runner."""
        client = AsyncClient(**options)
        self._stack.callback(self._portal.call, client.close)
        return client

    def do(self, method: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        """Call a method, and await what it returns."""

        async def call() -> Any:
            value = method(*args, **kwargs)
            return await value if inspect.isawaitable(value) else value

        return self._portal.call(call)

    def items(
        self, iterator: AsyncIterator[Any], handle: Callable[[Any], object] = lambda _: None
    ) -> list[Any]:
        """Return all items of an iterator; `handle` is called with each before the next."""

        async def collect() -> list[Any]:
            found: list[Any] = []
            async for item in iterator:
                handle(item)
                found.append(item)
            return found

        return self._portal.call(collect)


@contextmanager
def without(name: str) -> Generator[None]:
    """Make the import of a module fail, as if its dependency weren't installed."""
    before = sys.modules.get(name)  # also None if another runner hides it already
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop(name, None)
        if before is not None:
            sys.modules[name] = before


RUNNERS: dict[str, Callable[[], SyncRunner | AsyncRunner]] = {
    "sync": SyncRunner,
    "asyncio": lambda: AsyncRunner("asyncio"),
    "trio": lambda: AsyncRunner("trio"),
    "aiohttp": lambda: AsyncRunner("asyncio", aiohttp=True),
}
