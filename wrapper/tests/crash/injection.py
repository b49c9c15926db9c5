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
from tests.crash.block_ends import BlockEnds
from wanflow import AsyncClient, Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

_LIBRARY = str(Path(wanflow.__file__).parent)
# The spec is read before anything is sent, and the mock is the server.
_NOT_TRACED = tuple(f"{_LIBRARY}/{name}/" for name in ("spec", "mock"))
_NEVER = 10**9
_RESUME = dis.opmap["RESUME"]


@define
class InjectionResult:
    """The result of a call: its exception, the place of the injection, and the number of events."""

    error: BaseException | None = None
    where: str = ""
    events: int = 0


class Injection:
    """Calls an action at the nth call or line inside the library, in this thread.

    Where CPython handles no signal, the action is called at the next possible event.
    """

    def __init__(self, nth: int, action: Callable[[], object]) -> None:
        self.result = InjectionResult()
        self._nth = nth
        self._action = action
        self._block_ends = BlockEnds()

    def __enter__(self) -> InjectionResult:
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self.result

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: FrameType, event: str, _: object) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(_LIBRARY) or name.startswith(_NOT_TRACED):
            return None
        if event in {"call", "line"}:
            self._pass(frame, event)
        return self._trace

    def _pass(self, frame: FrameType, event: str) -> None:
        self.result.events += 1
        excluded = self._block_ends.ends_at(frame) if event == "line" else _is_thrown_into(frame)
        if self.result.events >= self._nth and not excluded and not self.result.where:
            place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
            self.result.where = f"{event} {place} in {frame.f_code.co_name}"
            self._action()


def _is_thrown_into(frame: FrameType) -> bool:
    """Return whether a generator is entered by its throw, its close or its end.

    No signal is handled there. Where a trace function raises there, CPython 3.11 leaves the
    generator without taking its state off the thread's, which crashes once it is freed.
    """
    return frame.f_code.co_code[frame.f_lasti] != _RESUME


def interrupt() -> None:
    """Raise KeyboardInterrupt, like Ctrl-C."""
    raise KeyboardInterrupt


class Interrupts:
    """Calls of a sync client, interrupted."""

    def each(self, options: dict[str, Any], call: Call, points: Points, after: After) -> None:
        """Call once for each chosen point, and pass the result to `after`."""
        with Client(**options) as client:
            self._call(client, call, 0, _NEVER)
            whole = self._call(client, call, 1, _NEVER)
            for nth in points(whole.events):
                after(nth + 1, self._call(client, call, nth + 1, nth))

    def _call(self, client: Client, call: Call, number: int, nth: int) -> InjectionResult:
        with Injection(nth, interrupt) as result:
            try:
                call(client, number)
            except KeyboardInterrupt as error:
                result.error = error
        return result


class Cancellations:
    """Calls of an async client, whose task is cancelled under asyncio."""

    def __init__(self, backend: str) -> None:
        self._backend = backend

    def each(self, options: dict[str, Any], call: Call, points: Points, after: After) -> None:
        """Call once for each chosen point, and pass the result to `after`."""

        async def main() -> None:
            async with AsyncClient(**options) as client:
                await self._call(client, call, 0, _NEVER)
                whole = await self._call(client, call, 1, _NEVER)
                for nth in points(whole.events):
                    after(nth + 1, await self._call(client, call, nth + 1, nth))
                (pool,) = client._driver._transport._api._loop_pools
                assert type(pool.backend).__name__ == self._backend
                assert pool.limiter.borrowed_tokens == 0, "a connection was not released"
                self._check_nothing_left()

        imports = (
            nullcontext()
            if self._backend == "AiohttpBackend"
            else without("wanflow._transport.aiohttp_backend")
        )
        with imports:
            self._run(main)

    def _run(self, main: Any) -> None:
        asyncio.run(main())

    def _check_nothing_left(self) -> None:
        assert asyncio.all_tasks() == {asyncio.current_task()}, "a task is still running"

    async def _call(
        self, client: AsyncClient, call: Call, number: int, nth: int
    ) -> InjectionResult:
        caught: list[BaseException] = []

        async def work() -> None:
            try:
                await call(client, number)
            except asyncio.CancelledError as error:
                caught.append(error)

        task = asyncio.ensure_future(work())
        with Injection(nth, task.cancel) as result:
            await asyncio.wait([task])
        if not task.cancelled():
            task.result()
        result.error = caught[0] if caught else None
        return result


class TrioCancellations(Cancellations):
    """Calls of an async client, cancelled by a cancel scope of trio."""

    def _run(self, main: Any) -> None:
        trio.run(main)

    def _check_nothing_left(self) -> None:
        """Trio leaves no task."""

    async def _call(
        self, client: AsyncClient, call: Call, number: int, nth: int
    ) -> InjectionResult:
        caught: list[BaseException] = []
        with trio.CancelScope() as scope, Injection(nth, scope.cancel) as result:
            try:
                await call(client, number)
            except trio.Cancelled as error:
                caught.append(error)
                raise
        result.error = caught[0] if caught else None
        return result


INJECTORS: dict[str, Interrupts | Cancellations] = {
    "sync": Interrupts(),
    "asyncio": Cancellations("AsyncHttpxBackend"),
    "aiohttp": Cancellations("AiohttpBackend"),
    "trio": TrioCancellations("AsyncHttpxBackend"),
}

if TYPE_CHECKING:
    Call = Callable[[Any, int], Any]
    Points = Callable[[int], Iterable[int]]
    After = Callable[[int, InjectionResult], None]
