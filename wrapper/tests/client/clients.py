"""Both colours through one hand: what is blocking in one and awaited in the other, called alike."""

from __future__ import annotations

import inspect
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Self

from anyio.from_thread import start_blocking_portal

from wanflow import AsyncClient, Client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator


class Sync:
    """The sync face."""

    name = "sync"

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def client(self, **options: Any) -> Client:
        """Make a client that is closed with this colour."""
        return self._stack.enter_context(Client(**options))

    def do(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a method."""
        return method(*args, **kwargs)

    def items(self, iterator: Iterator[Any]) -> list[Any]:
        """Take everything out of an iterator."""
        return list(iterator)


class Async:
    """The async face, under a backend of anyio's; over aiohttp where that is possible and asked."""

    def __init__(self, backend: str, *, aiohttp: bool = False) -> None:
        self.name = backend
        self._aiohttp = aiohttp
        self.road = "AiohttpBackend" if aiohttp else "HttpxBackend"

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        if not self._aiohttp:
            self._stack.enter_context(without("wanflow._transport.aiohttp_backend"))
        self._portal = self._stack.enter_context(start_blocking_portal(self.name))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def client(self, **options: Any) -> AsyncClient:
        """Make a client that is closed with this colour."""
        client = AsyncClient(**options)
        self._stack.callback(self._portal.call, client.close)
        return client

    def do(self, method: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        """Call a method, and wait for what it gives."""

        async def call() -> Any:
            value = method(*args, **kwargs)
            return await value if inspect.isawaitable(value) else value

        return self._portal.call(call)

    def items(self, iterator: AsyncIterator[Any]) -> list[Any]:
        """Take everything out of an iterator."""

        async def take() -> list[Any]:
            return [item async for item in iterator]

        return self._portal.call(take)


@contextmanager
def without(name: str) -> Iterator[None]:
    """Have the import of a module fail, as where what it needs isn't installed."""
    kept = sys.modules.get(name)  # None too where another colour hides it already
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop(name, None)
        if kept is not None:
            sys.modules[name] = kept


COLOURS: dict[str, Callable[[], Sync | Async]] = {
    "sync": Sync,
    "asyncio": lambda: Async("asyncio"),
    "trio": lambda: Async("trio"),
    "aiohttp": lambda: Async("asyncio", aiohttp=True),
}
