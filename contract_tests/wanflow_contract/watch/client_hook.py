"""A transport that judges every exchange: `Client(transport=JudgingTransport(inner, observer))`."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from wanflow._http_library import http_library
from wanflow_contract.watch.recorded import MAX_BODY, Recorded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from wanflow_contract.watch.observer import Observer


class JudgingTransport:
    """Passes requests on to another transport, sync or async, and lets an observer judge them.

    The other transport is one for httpx2 or for httpx, and this one is of the same library.
    Requests, responses and errors are not changed. A response is judged when its body was read to
    the end, or closed. One that is longer than 32 MiB is judged without its body.
    """

    def __new__(cls, inner: Any, observer: Observer) -> JudgingTransport:
        """Make a transport of the library that the other one was written for."""
        del observer
        library = http_library(inner)
        bases = (library.BaseTransport, library.AsyncBaseTransport)
        of_library: Any = _of_library
        made: JudgingTransport = object.__new__(of_library(cls, *bases))
        return made

    def __init__(self, inner: Any, observer: Observer) -> None:
        self._inner, self.observer = inner, observer

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the other transport, which clients may know."""
        return getattr(self._inner, name)

    def handle_request(self, request: Any) -> Any:
        """Send a request of a sync client."""
        started = time.time()
        return self._judged(request, self._inner.handle_request(request), started)

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request of an async client."""
        started = time.time()
        return self._judged(request, await self._inner.handle_async_request(request), started)

    def close(self) -> None:
        """Close the other transport."""
        if hasattr(self._inner, "close"):
            self._inner.close()

    async def aclose(self) -> None:
        """Close the other transport."""
        if hasattr(self._inner, "aclose"):
            await self._inner.aclose()

    def _judged(self, request: Any, response: Any, started: float) -> Any:
        judge = self._judge(request, response, started)
        if response.is_closed:  # it was made with its content, which is decoded
            judge(response.content, complete=True, encoded=False)
        else:
            library = http_library(request)
            bases = (library.SyncByteStream, library.AsyncByteStream)
            response.stream = _of_library(_Stream, *bases)(response.stream, _Collected(judge))
        return response

    def _judge(self, request: Any, response: Any, started: float) -> _Judge:
        # Clients edit headers.
        sent_headers, headers = _pairs(request.headers), _pairs(response.headers)

        def judge(content: bytes, *, complete: bool, encoded: bool = True) -> None:
            known = isinstance(request.stream, http_library(request).ByteStream)
            recorded = Recorded(
                method=request.method,
                url=str(request.url),
                request_headers=sent_headers,
                sent=request.read() if known else b"",
                status=response.status_code,
                headers=headers,
                content=content,
                started=started,
                ended=time.time(),
                complete=complete and known,
                encoded=encoded,
            )
            recorded.judge(self.observer)

        return judge


class _Judge(Protocol):
    def __call__(self, content: bytes, *, complete: bool, encoded: bool = True) -> None: ...


class _Collected:
    """Collects a body, and has it judged once."""

    def __init__(self, judge: _Judge) -> None:
        self._judge: _Judge | None = judge
        self._parts, self._size = list[bytes](), 0

    def add(self, part: bytes) -> None:
        """Add a part of the body."""
        self._size += len(part)
        if self._size <= MAX_BODY:
            self._parts.append(part)
        else:
            self._parts.clear()

    def end(self, *, complete: bool) -> None:
        """Judge the exchange, unless that was done."""
        judge, self._judge = self._judge, None
        if judge is not None:
            judge(b"".join(self._parts), complete=complete and self._size <= MAX_BODY)


class _Stream:
    def __init__(self, inner: Any, collected: _Collected) -> None:
        self._inner, self._collected = inner, collected

    def __iter__(self) -> Iterator[bytes]:
        for part in self._inner:
            self._collected.add(part)
            yield part
        self._collected.end(complete=True)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._inner:
            self._collected.add(part)
            yield part
        self._collected.end(complete=True)

    def close(self) -> None:
        """Close the response."""
        self._inner.close()
        self._collected.end(complete=False)

    async def aclose(self) -> None:
        """Close the response."""
        await self._inner.aclose()
        self._collected.end(complete=False)


@cache
def _of_library(own: type, *bases: type) -> type[Any]:
    """Return a class that is one of a library, too: clients ask for that."""
    return type(own.__name__, (own, *bases), {})


def _pairs(headers: Any) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw)
