"""The HTTP library: httpx2, or httpx, which it succeeds. No other module imports one of them.

httpx2 is used where it is installed, unless the environment variable WANFLOW_HTTP_LIBRARY names
httpx. A user's own transport decides for its client: requests to it, and its responses, are objects
of the library that it was written for. The generated code imports httpx, and decides nothing.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from types import ModuleType
    from typing import TypeAlias

    import httpx
    import httpx2

    HttpClient: TypeAlias = httpx2.Client | httpx2.AsyncClient | httpx.Client | httpx.AsyncClient
    HttpResponse: TypeAlias = httpx2.Response | httpx.Response
    HttpTimeout: TypeAlias = httpx2.Timeout | httpx.Timeout

HTTP_LIBRARY_VARIABLE = "WANFLOW_HTTP_LIBRARY"
# The first that is installed is used.
_LIBRARIES = ("httpx2", "httpx")


class HttpTransport(Protocol):
    """A sync transport of httpx2 or httpx: one of theirs, or a subclass of their BaseTransport."""

    def handle_request(self, request: Any, /) -> Any:
        """Send a request of the library, and return its response."""


class AsyncHttpTransport(Protocol):
    """An async transport of httpx2 or httpx: one of theirs, or of their AsyncBaseTransport."""

    async def handle_async_request(self, request: Any, /) -> Any:
        """Send a request of the library, and return its response."""


class HttpLibraryMissing(ValueError):
    """WANFLOW_HTTP_LIBRARY names a library that there isn't, or that isn't installed."""


def http_library(transport: object = None) -> ModuleType:
    """Import the library that a transport was written for; without one, the chosen library.

    Raises:
        HttpLibraryMissing: the environment names another one, or one that isn't installed.
    """
    names = [base.__module__.partition(".")[0] for base in type(transport).__mro__]
    return import_module(next((name for name in names if name in _LIBRARIES), None) or _chosen())


def is_http_error(error: BaseException | None, *names: str) -> bool:
    """Return whether an exception has one of some types of httpx2 or httpx, given by their names.

    Either library's count: a user's transport for one may raise those of the other.
    """
    return any(
        base.__name__ in names and base.__module__.partition(".")[0] in _LIBRARIES
        for base in type(error).__mro__
    )


def _chosen() -> str:
    named = os.environ.get(HTTP_LIBRARY_VARIABLE)
    if not named:
        return next((name for name in _LIBRARIES if find_spec(name) is not None), _LIBRARIES[-1])
    if named not in _LIBRARIES:
        raise HttpLibraryMissing(
            f"{HTTP_LIBRARY_VARIABLE} is {named!r}; it may be {' or '.join(_LIBRARIES)}"
        )
    if find_spec(named) is None:
        raise HttpLibraryMissing(
            f"{HTTP_LIBRARY_VARIABLE} is {named!r}, which isn't installed: pip install {named}"
        )
    return named
