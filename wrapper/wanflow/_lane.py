"""The connections of a client, as lanes: no more requests than connections, replaced when dead.

httpx's pool slows down when more is asked of it than it has connections, and after cancellations
it can be left with connections that are never given back. A lane hands out its httpx client only
while a connection is free for the asker; when the pool has none all the same, it is dead, and
another takes its place.
"""

from __future__ import annotations

import math
import threading
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import httpx
from attrs import define

from wanflow import _transport
from wanflow._core.effects import Fault
from wanflow._deadline import bound_exchanges
from wanflow._loops import has_ended, this_loop
from wanflow._roads import road_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from wanflow._roads import Road
    from wanflow._settings import Route


class Lane:
    """The connections of a sync client to one kind of host. Threads share it."""

    def __init__(self, line: Route) -> None:
        self._line = line
        self._slots = threading.BoundedSemaphore(line.connections)
        self._lock = threading.Lock()
        self._http: httpx.Client | None = None

    @contextmanager
    def open(self, patience: float) -> Generator[httpx.Client]:
        """Lend the httpx client while a connection is free; wait for one for `patience` seconds.

        Raises:
            Fault: none became free.
        """
        if not self._slots.acquire(timeout=patience):
            raise _crowded(self._line, patience)
        try:
            http = self._open()
            try:
                yield http
            except httpx.PoolTimeout:
                self._replace(http)
                raise
        finally:
            self._slots.release()

    def close(self) -> None:
        """Close the connections; the next exchange opens new ones."""
        with self._lock:
            http, self._http = self._http, None
        if http is not None:
            http.close()

    def _open(self) -> httpx.Client:
        with self._lock:
            if self._http is None:
                self._http = bound_exchanges(httpx.Client(**_transport.options(self._line)))
            return self._http

    def _replace(self, dead: httpx.Client) -> None:
        # Left open: other threads may still be reading from its living connections.
        with self._lock:
            if self._http is dead and self._line.transport is None:
                self._http = None


@define(eq=False)
class _Home:
    """What a lane has in one event loop; neither a road nor a semaphore outlives its loop."""

    loop: Any
    road: Road
    slots: anyio.CapacityLimiter


class AsyncLane:
    """The connections of an async client to one kind of host, made anew in each event loop."""

    def __init__(self, line: Route, *, decoded: bool) -> None:
        self._line = line
        self._decoded = decoded
        self._homes: list[_Home] = []

    @asynccontextmanager
    async def open(self, patience: float) -> AsyncGenerator[Road]:
        """Lend the road while a connection is free; wait for one for `patience` seconds.

        Raises:
            Fault: none became free.
        """
        home = self._home()
        borrower = object()
        try:
            home.slots.acquire_on_behalf_of_nowait(borrower)
        except anyio.WouldBlock:
            with anyio.move_on_after(patience):
                await home.slots.acquire_on_behalf_of(borrower)
                patience = math.inf
            if patience < math.inf:
                raise _crowded(self._line, patience) from None
        road = home.road
        try:
            yield road
        except httpx.PoolTimeout:
            self._replace(home, road)
            raise
        finally:
            home.slots.release_on_behalf_of(borrower)

    async def close(self) -> None:
        """Close this loop's connections, and forget those that ended with their loops."""
        loop = this_loop()
        here = [home for home in self._homes if home.loop == loop]
        self._homes = [home for home in self._homes if home.loop != loop]
        self._forget()
        for home in here:
            await home.road.close()

    def _home(self) -> _Home:
        loop = this_loop()
        for home in self._homes:
            if home.loop == loop:
                return home
        self._forget()
        slots = anyio.CapacityLimiter(self._line.connections)
        self._homes.append(_Home(loop, self._road(), slots))
        return self._homes[-1]

    def _forget(self) -> None:
        ended = [home for home in self._homes if has_ended(home.loop)]
        self._homes = [home for home in self._homes if home not in ended]
        for home in ended:
            home.road.abandon()

    def _road(self) -> Road:
        return road_of(self._line, decoded=self._decoded)

    def _replace(self, home: _Home, dead: Road) -> None:
        if home.road is dead and self._line.transport is None:
            home.road = self._road()


def _crowded(line: Route, patience: float) -> Fault:
    return Fault(
        f"none of the {line.connections} connections became free in {patience:g} s", sent=False
    )
