"""Waits that want to be told of callbacks, and how far callbacks can be relied on.

A ring says no more than "look now": whoever hears it asks the API, so a forged one costs a look.
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

# The documents: a failed callback is repeated after 1, 2 and 4 seconds, each try taking up to 10.
_LATEST = 47.0
_REMEMBERED = 3600.0
_SIZE = 100_000
# A client keeps no more of what it hears before it sleeps.
_LATELY = 4096
# 2**12 s is longer than a ring is remembered.
_TIMES = 12
# Three callbacks that came in time make polling eight times as slow; one that didn't, as it was.
_LEVELS = 3


class WaitNotifier:
    """Tells waits that a callback has come. Any thread may call it; nothing here waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: list[Callable[[str], object]] = []
        self._rung: TTLCache[tuple[int, float]] = TTLCache(_SIZE, _REMEMBERED)
        self._due: TTLCache[bool] = TTLCache(_SIZE, _LATEST)
        self._level = 0
        self._closed = False

    @contextmanager
    def subscribe(self, told: Callable[[str], object]) -> Generator[None]:
        """Have `told` called with each task that a callback tells of, by whichever thread it is.

        What was told within the last hour comes at once: a callback may be here before its wait.
        """
        with self._lock:
            lately = list(self._rung)[-_LATELY:]
            self._told.append(told)
        try:
            for task_id in lately:
                self._tell(told, task_id)
            yield
        finally:
            with self._lock:
                self._told.remove(told)

    def notify(self, task_id: str, now: float) -> bool:
        """Tell of a task → whether it was told; the same one again, ever less often."""
        with self._lock:
            self._expire(now)
            times, until = self._rung.get(task_id, now) or (0, now)
            if until > now:
                return False
            self._rung.put(task_id, (times + 1, now + 2.0 ** min(times, _TIMES)), now)
            if self._due.pop(task_id) is not None:
                self._level = min(_LEVELS, self._level + 1)
            listeners = list(self._told)
        for told in listeners:
            self._tell(told, task_id)
        return True

    def record_end(self, task_id: str, now: float) -> None:
        """Take note that a wait has seen a task end, so that a callback was or is due."""
        with self._lock:
            self._expire(now)
            if self._rung.get(task_id, now) is not None:
                self._level = min(_LEVELS, self._level + 1)
            else:
                self._due.put(task_id, True, now)

    def poll_factor(self, task_id: str, now: float) -> float:
        """Return by what the polling of a task may be slowed: 1 to 8, by how many came in time.

        A task that was called about isn't polled more slowly: its own callback has been.
        """
        with self._lock:
            self._expire(now)
            called = self._closed or self._rung.get(task_id, now) is not None
            return 1.0 if called else 2.0**self._level

    def close(self) -> None:
        """Slow nothing any more: nobody is there to be called."""
        self._closed = True

    def _expire(self, now: float) -> None:
        if list(self._due.expired(now)):
            self._level = 0

    def _tell(self, told: Callable[[str], object], task_id: str) -> None:
        try:
            told(task_id)
        except Exception:
            _log.exception("a wait could not be told of task %s", task_id)
