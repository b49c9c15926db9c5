"""Run an ASGI application in an event loop of its own, and send it requests."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
from anyio.from_thread import start_blocking_portal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def served(app: Any) -> Iterator[Callable[..., httpx.Response]]:
    """Start an application with its lifespan; the function takes a method, a path and the rest."""
    with start_blocking_portal() as portal:
        http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="https://shop.example"
        )
        lifespan = app.router.lifespan_context(app)
        with (
            portal.wrap_async_context_manager(lifespan),
            portal.wrap_async_context_manager(http),
        ):
            yield lambda method, path, **more: portal.call(
                partial(http.request, method, path, **more)
            )
