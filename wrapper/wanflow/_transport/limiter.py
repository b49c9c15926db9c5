"""Slots, of which there are so many: each is given back by its taker, whatever interrupts it."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue

_TURN = 0.5
"""Seconds after which a thread looks for a slot by itself; it is told before."""


class Taker:
    """A thread that takes a slot, once."""

    def __init__(self) -> None:
        self.turn: SimpleQueue[None] = SimpleQueue()


class Slots:
    """Slots for threads.

    A semaphore's place is lost where an interrupt comes between its taking and the note that it
    was taken. Here the taker is itself the note, which is made in one whole step; giving back what
    was not taken, or was given back, does no harm.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._takers: dict[int, Taker] = {}
        self._waiting: deque[Taker] = deque()

    @property
    def free(self) -> int:
        """How many are free."""
        return self._count - len(self._takers)

    def take(self, taker: Taker, patience: float) -> bool:
        """Take a slot; False where none became free in `patience` seconds."""
        until = time.monotonic() + patience
        while not self._taken(taker):
            left = until - time.monotonic()
            if left <= 0:
                return False
            if taker not in self._waiting:
                self._waiting.append(taker)
                continue  # one may have become free meanwhile
            with suppress(Empty):
                taker.turn.get(timeout=min(left, _TURN))
        self._leave(taker)
        return True

    def give_back(self, taker: Taker) -> None:
        """Give back the slot of a taker, where it has one, and wait for none."""
        for slot in list(self._takers):
            if self._takers.get(slot) is taker:
                del self._takers[slot]
        self._leave(taker)

    def _leave(self, taker: Taker) -> None:
        """Wait no more, and have the next one look whether a slot is free."""
        if taker in self._waiting:
            self._waiting.remove(taker)
        for first in tuple(self._waiting)[: self.free]:
            first.turn.put(None)

    def _taken(self, taker: Taker) -> bool:
        if not self.free:
            return False
        return any(self._takers.setdefault(slot, taker) is taker for slot in range(self._count))
