"""The connections of a client, as lanes: no more requests than connections, replaced when dead.

httpx's pool slows down when more is asked of it than it has connections, and after cancellations
it can be left with connections that are never given back. A lane hands out its road only while a
connection is free for the asker; when the pool has none all the same, it is dead, and another
takes its place.
"""

from __future__ import annotations

import math
import threading
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import anyio
from attrs import define

from wanflow._core.effects import TransportError
from wanflow._event_loop import current_loop, is_closed
from wanflow._fork_safety import keep_unused, renew_in_children
from wanflow._transport.backends import SyncRoad, choose_backend
from wanflow._transport.errors import unmade
from wanflow._transport.limiter import Slots, Taker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from wanflow._config import TransportOptions
    from wanflow._transport.backends import AsyncBackend


class ConnectionPool:
    """The connections of a sync client to one kind of host. Threads share it."""

    def __init__(self, line: TransportOptions) -> None:
        self._line = line
        self._road: SyncRoad | None = None
        self.renew()
        renew_in_children(self)

    def renew(self) -> None:
        """Begin without connections, and with all slots free."""
        if self._road is not None:
            keep_unused(self._road)
        self._slots = Slots(self._line.max_connections)
        self._lock = threading.Lock()
        self._road = None

    @contextmanager
    def acquire(self, patience: float) -> Generator[SyncRoad]:
        """Lend the road while a connection is free; wait for one for `patience` seconds.

        Raises:
            Fault: none became free, or none can be set up.
        """
        slots, taker = self._slots, Taker()
        try:
            if not slots.take(taker, patience):
                raise _pool_timeout(self._line, patience)
            yield self._open()
        finally:
            try:
                slots.give_back(taker)
            finally:
                slots.give_back(taker)  # an interrupt may have come first

    def close(self) -> None:
        """Close the connections; the next exchange opens new ones."""
        with self._lock:
            road, self._road = self._road, None
        if road is not None:
            road.close()

    def replace(self, dead: SyncRoad) -> None:
        """Take another road from now on."""
        # Left open: other threads may still be reading from its living connections.
        with self._lock:
            if self._road is dead and self._line.transport is None:
                self._road = None

    def _open(self) -> SyncRoad:
        with self._lock:
            if self._road is None:
                try:
                    self._road = SyncRoad(self._line)
                except Exception as error:
                    fault = unmade(error)
                else:
                    return self._road
                raise fault
            return self._road


@define(eq=False)
class _LoopPool:
    """What a lane has in one event loop; neither a road nor a semaphore outlives its loop."""

    loop: Any
    road: AsyncBackend
    slots: anyio.CapacityLimiter


class AsyncConnectionPool:
    """The connections of an async client to one kind of host, made anew in each event loop."""

    def __init__(self, line: TransportOptions) -> None:
        self._line = line
        self._loop_pools: list[_LoopPool] = []
        renew_in_children(self)

    def renew(self) -> None:
        """Begin without connections, and with all slots free."""
        if self._loop_pools:
            keep_unused(self._loop_pools)
        self._loop_pools = []

    @asynccontextmanager
    async def acquire(self, patience: float) -> AsyncGenerator[AsyncBackend]:
        """Lend the road while a connection is free; wait for one for `patience` seconds.

        Raises:
            Fault: none became free, or none can be set up.
        """
        home = self._loop_pool()
        borrower = object()
        try:
            home.slots.acquire_on_behalf_of_nowait(borrower)
        except anyio.WouldBlock:
            with anyio.move_on_after(patience):
                await home.slots.acquire_on_behalf_of(borrower)
                patience = math.inf
            if patience < math.inf:
                raise _pool_timeout(self._line, patience) from None
        try:
            yield home.road
        finally:
            home.slots.release_on_behalf_of(borrower)

    async def close(self) -> None:
        """Close this loop's connections, and forget those that ended with their loops."""
        loop = current_loop()
        here = [home for home in self._loop_pools if home.loop == loop]
        self._loop_pools = [home for home in self._loop_pools if home.loop != loop]
        self._forget()
        for home in here:
            await home.road.close()

    def replace(self, dead: AsyncBackend) -> None:
        """Take another road from now on."""
        for home in self._loop_pools:
            if home.road is dead and self._line.transport is None:
                home.road = choose_backend(self._line)

    def _loop_pool(self) -> _LoopPool:
        loop = current_loop()
        for home in self._loop_pools:
            if home.loop == loop:
                return home
        self._forget()
        try:
            road = choose_backend(self._line)
        except Exception as error:
            fault = unmade(error)
        else:
            self._loop_pools.append(
                _LoopPool(loop, road, anyio.CapacityLimiter(self._line.max_connections))
            )
            return self._loop_pools[-1]
        raise fault

    def _forget(self) -> None:
        ended = [home for home in self._loop_pools if is_closed(home.loop)]
        self._loop_pools = [home for home in self._loop_pools if home not in ended]
        for home in ended:
            home.road.detach()


def _pool_timeout(line: TransportOptions, patience: float) -> TransportError:
    return TransportError(
        f"none of the {line.max_connections} connections became free in {patience:g} s",
        maybe_sent=False,
    )
