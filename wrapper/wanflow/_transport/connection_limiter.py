"""Limits the requests in flight of threads; an interrupt at any point loses no token."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue

_CHECK_INTERVAL = 0.5
"""Seconds after which a waiting thread checks by itself; normally it is woken before."""


class Borrower:
    """A thread that acquires a token, once."""

    def __init__(self) -> None:
        self.wakeups: SimpleQueue[None] = SimpleQueue()


class ThreadCapacityLimiter:
    """A capacity limiter for threads.

    A semaphore loses a token if an interrupt comes between acquiring it and recording that. Here
    the borrower is stored in one atomic step, and releasing twice, or without a token, is harmless.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._borrowers: dict[int, Borrower] = {}
        self._waiting: deque[Borrower] = deque()

    @property
    def available(self) -> int:
        """Number of free tokens."""
        return self._count - len(self._borrowers)

    def acquire(self, borrower: Borrower, timeout: float) -> bool:
        """Acquire a token; False where none became free in `timeout` seconds."""
        until = time.monotonic() + timeout
        while not self._try_acquire(borrower):
            left = until - time.monotonic()
            if left <= 0:
                return False
            if borrower not in self._waiting:
                self._waiting.append(borrower)
                continue  # one may have become free in between
            with suppress(Empty):
                borrower.wakeups.get(timeout=min(left, _CHECK_INTERVAL))
        self._stop_waiting(borrower)
        return True

    def release(self, borrower: Borrower) -> None:
        """Release a borrower's token, if it has one, and stop waiting for one."""
        for slot in list(self._borrowers):
            if self._borrowers.get(slot) is borrower:
                del self._borrowers[slot]
        self._stop_waiting(borrower)

    def _stop_waiting(self, borrower: Borrower) -> None:
        """Stop waiting, and wake as many waiting threads as there are free tokens."""
        if borrower in self._waiting:
            self._waiting.remove(borrower)
        for first in tuple(self._waiting)[: self.available]:
            first.wakeups.put(None)

    def _try_acquire(self, borrower: Borrower) -> bool:
        if not self.available:
            return False
        return any(
            self._borrowers.setdefault(slot, borrower) is borrower for slot in range(self._count)
        )
