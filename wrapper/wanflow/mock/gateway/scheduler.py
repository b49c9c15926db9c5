"""Calls functions at times of the mock's clock, in the thread of its event loop."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from wanflow.mock.clock import Clock

    Entry = tuple[float, int, Callable[[], None]]


@define(eq=False)
class Scheduler:
    """Actions ordered by time, then by the order of `call_at`."""

    clock: Clock
    _entries: list[Entry] = field(factory=list, repr=False)  # pyright: ignore[reportUnknownVariableType]
    _sequence: int = 0
    _loop: asyncio.AbstractEventLoop | None = field(default=None, repr=False)
    _timer: asyncio.TimerHandle | None = field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        """Run what is due whenever the clock is advanced."""
        self.clock.on_advance(self._wake)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run actions in this loop, now and from now on."""
        self._loop = loop
        self.run_due()

    def detach(self) -> None:
        """Use the loop no more; actions are kept."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop = self._timer = None

    def call_at(self, when: float, action: Callable[[], None]) -> None:
        """Schedule an action at a time of the clock."""
        self._sequence += 1
        heapq.heappush(self._entries, (when, self._sequence, action))
        if self._entries[0][1] == self._sequence:
            self._set_timer()

    def run_due(self) -> None:
        """Run all actions that are due."""
        while self._entries and self._entries[0][0] <= self.clock.now():
            heapq.heappop(self._entries)[2]()
        self._set_timer()

    def _wake(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.run_due)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._loop is not None and self._entries and self.clock.runs:
            wait = max(0.0, self._entries[0][0] - self.clock.now())
            self._timer = self._loop.call_later(wait, self.run_due)
