"""Calls of bounded time: the work of a call goes on, and the same call again waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    Work: TypeAlias = Callable[["Call"], Awaitable[Any]]
    OnProgress: TypeAlias = Callable[[float, str], Awaitable[None]]


@define(eq=False)
class Call:
    """The work of one or more equal calls, and what it has reported of its progress."""

    done: anyio.Event = field(factory=anyio.Event)
    changed: anyio.Event = field(factory=anyio.Event)
    value: Any = None
    error: Exception | None = None
    percent: float = 0.0
    facts: dict[str, Any] = field(factory=dict[str, Any])

    def report(self, percent: float | None, **facts: Any) -> None:
        """Store the progress; only an increase is reported to clients."""
        self.percent = max(self.percent, percent or 0.0)
        self.facts.update(facts)
        changed, self.changed = self.changed, anyio.Event()
        changed.set()

    async def run(self, work: Work) -> None:
        """Do the work, and store what it returns or raises."""
        try:
            self.value = await work(self)
        except Exception as error:
            self.error = error
        finally:
            self.done.set()
            self.changed.set()


@define(eq=False)
class Calls:
    """The calls of a server whose work is not done."""

    group: TaskGroup
    _running: dict[str, Call] = field(factory=dict[str, Call])

    async def join(self, key: str, work: Work, seconds: float, on_progress: OnProgress) -> Call:
        """Wait at most `seconds` for the work of a key, which is started unless it runs.

        The work goes on if the time is up, or if the caller is cancelled.
        """
        call = self._running.get(key)
        if call is None:
            call = self._running[key] = Call()
            self.group.start_soon(self._run, key, call, work)
        with anyio.move_on_after(seconds):
            await _follow(call, on_progress)
        return call

    async def _run(self, key: str, call: Call, work: Work) -> None:
        try:
            await call.run(work)
        finally:
            self._running.pop(key, None)


async def _follow(call: Call, on_progress: OnProgress) -> None:
    shown = 0.0
    while not call.done.is_set():
        await call.changed.wait()
        if call.percent > shown and not call.done.is_set():
            shown = call.percent
            await on_progress(shown, str(call.facts.get("status", "")))
