"""Interrupts and cancellations at chosen points: at the nth event inside the library."""

from __future__ import annotations

import asyncio
import dis
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio
from attrs import define

import wanflow
from tests.client.clients import without
from tests.crash.withs import Withs
from wanflow import AsyncClient, Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

_LIBRARY = str(Path(wanflow.__file__).parent)
# The documents are read before anything is sent, and the mock is the other side.
_ELSEWHERE = tuple(f"{_LIBRARY}/{name}/" for name in ("spec", "mock"))
_NEVER = 10**9
_RESUME = dis.opmap["RESUME"]


@define
class Struck:
    """What came of a call: the exception, if any, where it was struck, and how many events."""

    error: BaseException | None = None
    where: str = ""
    events: int = 0


class Injection:
    """Strikes at the nth call or line inside the library, in this thread.

    Where no signal is handled, at the next one: CPython's own state needn't bear a strike there.
    """

    def __init__(self, nth: int, strike: Callable[[], object]) -> None:
        self.struck = Struck()
        self._nth = nth
        self._strike = strike
        self._withs = Withs()

    def __enter__(self) -> Struck:
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self.struck

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: FrameType, event: str, _: object) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(_LIBRARY) or name.startswith(_ELSEWHERE):
            return None
        if event in {"call", "line"}:
            self._pass(frame, event)
        return self._trace

    def _pass(self, frame: FrameType, event: str) -> None:
        self.struck.events += 1
        apart = self._withs.end_at(frame) if event == "line" else _is_thrown_into(frame)
        if self.struck.events >= self._nth and not apart and not self.struck.where:
            place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
            self.struck.where = f"{event} {place} in {frame.f_code.co_name}"
            self._strike()


def _is_thrown_into(frame: FrameType) -> bool:
    """Tell whether a generator is entered by its throw, its close or its end.

    No signal is handled there. Where a trace function raises there, CPython 3.11 leaves the
    generator without taking its state off the thread's, which crashes once it is freed.
    """
    return frame.f_code.co_code[frame.f_lasti] != _RESUME


def interrupt() -> None:
    """Do what Ctrl-C does."""
    raise KeyboardInterrupt


class Interrupts:
    """Calls of a sync client, interrupted."""

    def each(self, options: dict[str, Any], call: Call, points: Points, after: After) -> None:
        """Call once for each of the points that are chosen of all, and hand on what came of it."""
        with Client(**options) as client:
            self._call(client, call, 0, _NEVER)
            whole = self._call(client, call, 1, _NEVER)
            for nth in points(whole.events):
                after(nth + 1, self._call(client, call, nth + 1, nth))

    def _call(self, client: Client, call: Call, number: int, nth: int) -> Struck:
        with Injection(nth, interrupt) as struck:
            try:
                call(client, number)
            except KeyboardInterrupt as error:
                struck.error = error
        return struck


class Cancels:
    """Calls of an async client, whose task is cancelled under asyncio."""

    def __init__(self, road: str) -> None:
        self._road = road

    def each(self, options: dict[str, Any], call: Call, points: Points, after: After) -> None:
        """Call once for each of the points that are chosen of all, and hand on what came of it."""

        async def main() -> None:
            async with AsyncClient(**options) as client:
                await self._call(client, call, 0, _NEVER)
                whole = await self._call(client, call, 1, _NEVER)
                for nth in points(whole.events):
                    after(nth + 1, await self._call(client, call, nth + 1, nth))
                (home,) = client._driver._transport._api._loop_pools
                assert type(home.backend).__name__ == self._road
                assert home.limiter.borrowed_tokens == 0, "a connection was never given back"
                self._leaves_nothing()

        hidden = (
            nullcontext()
            if self._road == "AiohttpBackend"
            else without("wanflow._transport.aiohttp_backend")
        )
        with hidden:
            self._run(main)

    def _run(self, main: Any) -> None:
        asyncio.run(main())

    def _leaves_nothing(self) -> None:
        assert asyncio.all_tasks() == {asyncio.current_task()}, "a task goes on"

    async def _call(self, client: AsyncClient, call: Call, number: int, nth: int) -> Struck:
        caught: list[BaseException] = []

        async def work() -> None:
            try:
                await call(client, number)
            except asyncio.CancelledError as error:
                caught.append(error)

        task = asyncio.ensure_future(work())
        with Injection(nth, task.cancel) as struck:
            await asyncio.wait([task])
        if not task.cancelled():
            task.result()
        struck.error = caught[0] if caught else None
        return struck


class TrioCancels(Cancels):
    """Calls of an async client, cancelled by a scope of trio's."""

    def _run(self, main: Any) -> None:
        trio.run(main)

    def _leaves_nothing(self) -> None:
        """Trio's nurseries leave nothing."""

    async def _call(self, client: AsyncClient, call: Call, number: int, nth: int) -> Struck:
        caught: list[BaseException] = []
        with trio.CancelScope() as scope, Injection(nth, scope.cancel) as struck:
            try:
                await call(client, number)
            except trio.Cancelled as error:
                caught.append(error)
                raise
        struck.error = caught[0] if caught else None
        return struck


STRIKERS: dict[str, Interrupts | Cancels] = {
    "sync": Interrupts(),
    "asyncio": Cancels("AsyncHttpxBackend"),
    "aiohttp": Cancels("AiohttpBackend"),
    "trio": TrioCancels("AsyncHttpxBackend"),
}

if TYPE_CHECKING:
    Call = Callable[[Any, int], Any]
    Points = Callable[[int], Iterable[int]]
    After = Callable[[int, Struck], None]
