"""Connection pools that never pass on more requests than they have connections.

The pool of httpx slows down with more requests than connections, and after cancellations some of
its connections may never become free again. So a pool here lends its backend only while a
connection is free; if the library gives none nevertheless, it is stuck, and the backend is
replaced.
"""

from __future__ import annotations

import math
import threading
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import anyio
from attrs import define, field

from wanflow._core.effects import TransportError
from wanflow._event_loop import current_loop, is_closed
from wanflow._fork_safety import keep_alive, renew_in_children
from wanflow._transport.backends import SyncHttpxBackend, choose_backend
from wanflow._transport.connection_limiter import Borrower, ThreadCapacityLimiter
from wanflow._transport.errors import setup_error

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from wanflow._config import TransportOptions
    from wanflow._transport.backends import AsyncBackend


class ConnectionPool:
    """The connections of a sync client to one kind of host. Threads share it."""

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._backend: SyncHttpxBackend | None = None
        self._replaced: list[SyncHttpxBackend] = []
        self.renew()
        renew_in_children(self)

    def renew(self) -> None:
        """Start without connections, and with all of them free."""
        if self._backend is not None:
            keep_alive([self._backend, *self._replaced])
        self._replaced = []
        self._limiter = ThreadCapacityLimiter(self._options.max_connections)
        self._lock = threading.Lock()
        self._backend = None

    @contextmanager
    def acquire(self, timeout: float) -> Generator[SyncHttpxBackend]:
        """Lend the backend when a connection is free; wait at most `timeout` seconds for one.

        Raises:
            TransportError: none became free, or none can be set up.
        """
        slots, borrower = self._limiter, Borrower()
        try:
            if not slots.acquire(borrower, timeout):
                raise _pool_timeout(self._options, timeout)
            yield self._open()
        finally:
            try:
                slots.release(borrower)
            finally:
                slots.release(borrower)  # an interrupt may have come before the first call

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        with self._lock:
            backend, self._backend = self._backend, None
            replaced, self._replaced = self._replaced, []
        for open_backend in (*replaced, *([] if backend is None else [backend])):
            open_backend.close()

    def replace(self, dead: SyncHttpxBackend) -> None:
        """Use another backend from now on.

        This one is closed with the client: other threads may be reading from its connections.
        """
        with self._lock:
            if self._backend is dead and self._options.transport is None:
                self._backend = None
                self._replaced.append(dead)

    def _open(self) -> SyncHttpxBackend:
        with self._lock:
            if self._backend is None:
                try:
                    self._backend = SyncHttpxBackend(self._options)
                except Exception as error:
                    failure = setup_error(error)
                else:
                    return self._backend
                raise failure
            return self._backend


@define(eq=False)
class _LoopPool:
    """The part of a pool in one event loop; neither a backend nor a limiter outlives its loop."""

    loop: Any
    backend: AsyncBackend
    limiter: anyio.CapacityLimiter
    replaced: list[AsyncBackend] = field(factory=list["AsyncBackend"])

    async def close(self) -> None:
        """Close the backend, and those that it replaced."""
        for backend in (*self.replaced, self.backend):
            await backend.close()

    def detach(self) -> None:
        """Drop the connections of an event loop that is closed."""
        for backend in (*self.replaced, self.backend):
            backend.detach()


class AsyncConnectionPool:
    """The connections of an async client to one kind of host, separate for each event loop."""

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._loop_pools: list[_LoopPool] = []
        renew_in_children(self)

    def renew(self) -> None:
        """Start without connections, and with all of them free."""
        if self._loop_pools:
            keep_alive(self._loop_pools)
        self._loop_pools = []

    @asynccontextmanager
    async def acquire(self, timeout: float) -> AsyncGenerator[AsyncBackend]:
        """Lend the backend when a connection is free; wait at most `timeout` seconds for one.

        Raises:
            TransportError: none became free, or none can be set up.
        """
        loop_pool = self._loop_pool()
        borrower = object()
        try:
            loop_pool.limiter.acquire_on_behalf_of_nowait(borrower)
        except anyio.WouldBlock:
            with anyio.move_on_after(timeout):
                await loop_pool.limiter.acquire_on_behalf_of(borrower)
                timeout = math.inf
            if timeout < math.inf:
                raise _pool_timeout(self._options, timeout) from None
        try:
            yield loop_pool.backend
        finally:
            loop_pool.limiter.release_on_behalf_of(borrower)

    async def close(self) -> None:
        """Close this loop's connections, and drop those of closed loops."""
        loop = current_loop()
        here = [loop_pool for loop_pool in self._loop_pools if loop_pool.loop == loop]
        self._loop_pools = [loop_pool for loop_pool in self._loop_pools if loop_pool.loop != loop]
        self._detach_closed()
        for loop_pool in here:
            await loop_pool.close()

    def replace(self, dead: AsyncBackend) -> None:
        """Use another backend from now on."""
        for loop_pool in self._loop_pools:
            if loop_pool.backend is dead and self._options.transport is None:
                loop_pool.replaced.append(dead)
                loop_pool.backend = choose_backend(self._options)

    def _loop_pool(self) -> _LoopPool:
        loop = current_loop()
        for loop_pool in self._loop_pools:
            if loop_pool.loop == loop:
                return loop_pool
        self._detach_closed()
        try:
            backend = choose_backend(self._options)
        except Exception as error:
            failure = setup_error(error)
        else:
            self._loop_pools.append(
                _LoopPool(loop, backend, anyio.CapacityLimiter(self._options.max_connections))
            )
            return self._loop_pools[-1]
        raise failure

    def _detach_closed(self) -> None:
        ended = [loop_pool for loop_pool in self._loop_pools if is_closed(loop_pool.loop)]
        self._loop_pools = [loop_pool for loop_pool in self._loop_pools if loop_pool not in ended]
        for loop_pool in ended:
            loop_pool.detach()


def _pool_timeout(options: TransportOptions, timeout: float) -> TransportError:
    return TransportError(
        f"timed out after {timeout:g} s waiting for one of {options.max_connections} connections",
        maybe_sent=False,
    )
