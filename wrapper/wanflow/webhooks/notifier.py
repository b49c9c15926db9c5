"""Notifies waits of callbacks, and measures how reliably callbacks arrive.

A notification only means "poll now": the wait asks the API, so a forged callback costs one poll.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wanflow.webhooks.store import TTLCache

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_log = logging.getLogger("wanflow")

# By the spec, a failed callback is repeated after 1, 2 and 4 seconds; an attempt lasts up to 10.
_MAX_DELAY = 47.0
_TTL = 3600.0
_MAX_SIZE = 100_000
# A client keeps no more notifications than this for later waits.
_MAX_REPLAYED = 4096
# 2**12 s is longer than a notification is remembered.
_MAX_DOUBLINGS = 12
# Three callbacks in time slow polling by 8; one that is missing restores the normal rate.
_MAX_CONFIDENCE = 3


class WaitNotifier:
    """Notifies waits of callbacks. Any thread may call it; nothing here blocks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscribers: list[Callable[[str], object]] = []
        self._notified: TTLCache[tuple[int, float]] = TTLCache(_MAX_SIZE, _TTL)
        self._expected: TTLCache[bool] = TTLCache(_MAX_SIZE, _MAX_DELAY)
        self._confidence = 0
        self._closed = False

    @contextmanager
    def subscribe(self, subscriber: Callable[[str], object]) -> Generator[None]:
        """Call `subscriber` with the task id of each callback, in the thread that received it.

        It is called immediately for callbacks of the last hour: they may precede the wait.
        """
        with self._lock:
            recent = list(self._notified)[-_MAX_REPLAYED:]
            self._subscribers.append(subscriber)
        try:
            for task_id in recent:
                self._call(subscriber, task_id)
            yield
        finally:
            with self._lock:
                self._subscribers.remove(subscriber)

    def notify(self, task_id: str, now: float) -> bool:
        """Notify subscribers of a task; return False if it is too early to repeat that task.

        The time between two notifications of one task doubles each time.
        """
        with self._lock:
            self._expire(now)
            count, until = self._notified.get(task_id, now) or (0, now)
            if until > now:
                return False
            self._notified.put(task_id, (count + 1, now + 2.0 ** min(count, _MAX_DOUBLINGS)), now)
            if self._expected.pop(task_id) is not None:
                self._confidence = min(_MAX_CONFIDENCE, self._confidence + 1)
            subscribers = list(self._subscribers)
        for subscriber in subscribers:
            self._call(subscriber, task_id)
        return True

    def record_end(self, task_id: str, now: float) -> None:
        """Record that a wait has seen a task end: its callback has arrived, or is expected."""
        with self._lock:
            self._expire(now)
            if self._notified.get(task_id, now) is not None:
                self._confidence = min(_MAX_CONFIDENCE, self._confidence + 1)
            else:
                self._expected.put(task_id, True, now)

    def poll_factor(self, task_id: str, now: float) -> float:
        """Return the factor, 1 to 8, by which polling of a task may be slowed.

        It is 1 for a task whose callback has already arrived.
        """
        with self._lock:
            self._expire(now)
            arrived = self._closed or self._notified.get(task_id, now) is not None
            return 1.0 if arrived else 2.0**self._confidence

    def close(self) -> None:
        """Return 1 from `poll_factor` from now on: no more callbacks are received."""
        self._closed = True

    def _expire(self, now: float) -> None:
        if list(self._expected.expired(now)):
            self._confidence = 0

    def _call(self, subscriber: Callable[[str], object], task_id: str) -> None:
        try:
            subscriber(task_id)
        except Exception:
            _log.exception("a wait could not be notified of task %s", task_id)
