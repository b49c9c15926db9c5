"""Queue of callbacks to verify: each once at a time, with bounds on number and rate."""

from __future__ import annotations

import threading
from heapq import heappop, heappush
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from wanflow.webhooks.errors import CallbackRejected
from wanflow.webhooks.store import TTLCache

if TYPE_CHECKING:
    from wanflow.webhooks.events import CallbackPayload

# Seconds before the second and later checks of one callback: the API may report the task as done
# shortly after the callback, and may be unavailable for half a minute.
RETRY_DELAYS = (1.0, 2.0, 4.0, 8.0, 15.0)
# Seconds for which a rejected callback isn't checked again, and task ids of a job are counted.
REJECTED_TTL = 60.0
# A job has one task, and a few more if it was submitted again after failures.
MAX_TASKS_PER_JOB = 4
# Retry-After is respected up to this; polling covers later times.
MAX_RETRY_AFTER = 60.0


@frozen
class Verified:
    """The API has confirmed the task; no further check is needed."""


@frozen
class Rejected:
    """The API has denied the callback, and another check would give the same result."""


@frozen
class RetryLater:
    """Check again later, at least `retry_after` seconds later (the API's Retry-After)."""

    retry_after: float = 0.0


Outcome: TypeAlias = Verified | Rejected | RetryLater


class VerificationQueue:
    """Schedules callbacks for verification; no I/O, no clock. Any thread may call it.

    Args:
        max_pending: the maximum number of callbacks that are queued or being checked.
        checks_per_second: the maximum rate of checks.
        workers: the maximum number of workers.
    """

    def __init__(
        self, *, max_pending: int = 1000, checks_per_second: float = 20.0, workers: int = 4
    ) -> None:
        self._max_pending = max_pending
        self._interval = 1.0 / checks_per_second
        self._max_workers = workers
        self._workers = 0
        self._next_at = float("-inf")
        self._closed = False
        self._tries: dict[str, int] = {}
        self._queue: list[tuple[float, int, CallbackPayload]] = []
        self._sequence = 0
        self._rejected: TTLCache[bool] = TTLCache(10 * max_pending, REJECTED_TTL)
        self._tasks_of_job: TTLCache[frozenset[str]] = TTLCache(10 * max_pending, REJECTED_TTL)
        self._lock = threading.Lock()

    def put(self, payload: CallbackPayload, now: float) -> bool:
        """Queue a callback; return False if it is already queued or was just rejected.

        Raises:
            CallbackRejected: the queue is full (503), or the job has too many tasks (429).
        """
        with self._lock:
            if payload.key in self._tries or self._rejected.get(payload.key, now) is not None:
                return False
            if self._closed or len(self._tries) >= self._max_pending:
                raise CallbackRejected("too many callbacks are waiting to be verified", status=503)
            ids = (self._tasks_of_job.get(payload.job, now) or frozenset()) | {payload.task_id}
            if len(ids) > MAX_TASKS_PER_JOB:
                raise CallbackRejected("too many tasks were named for one job", status=429)
            self._tasks_of_job.put(payload.job, ids, now)
            self._tries[payload.key] = 0
            self._push(now, payload)
            return True

    def start_worker(self) -> bool:
        """Count a new worker if one is needed, and return whether it is.

        The worker runs until `get` returns None.
        """
        with self._lock:
            wanted = self._workers < self._max_workers and bool(self._queue)
            self._workers += wanted
            return wanted

    def get(self, now: float) -> CallbackPayload | float | None:
        """Return the next callback, or the seconds until one is due, or None: the worker ends."""
        with self._lock:
            if self._closed or not self._queue:
                self._workers -= 1
                return None
            due = max(self._queue[0][0], self._next_at)
            if due > now:
                return due - now
            self._next_at = now + self._interval
            return heappop(self._queue)[2]

    def done(self, payload: CallbackPayload, outcome: Outcome, now: float) -> None:
        """Record the outcome of a check."""
        with self._lock:
            tries = self._tries[payload.key]
            if isinstance(outcome, RetryLater) and tries < len(RETRY_DELAYS):
                self._tries[payload.key] = tries + 1
                requested = min(outcome.retry_after, MAX_RETRY_AFTER)
                self._push(now + max(RETRY_DELAYS[tries], requested), payload)
                return
            del self._tries[payload.key]
            if not isinstance(outcome, Verified):
                self._rejected.put(payload.key, True, now)

    def abandon(self, payload: CallbackPayload, now: float) -> None:
        """Queue a callback again whose worker was interrupted, and uncount the worker."""
        self.done(payload, RetryLater(), now)
        self.stop_worker()

    def stop_worker(self) -> None:
        """Uncount a worker that was interrupted."""
        with self._lock:
            self._workers -= 1

    def close(self) -> None:
        """Reject new callbacks, and return none from `get`."""
        with self._lock:
            self._closed = True

    @property
    def pending(self) -> int:
        """How many callbacks are queued or being checked."""
        return len(self._tries)

    def _push(self, due: float, payload: CallbackPayload) -> None:
        self._sequence += 1
        heappush(self._queue, (due, self._sequence, payload))
