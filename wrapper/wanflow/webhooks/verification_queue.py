"""What is to be asked next: each claim once at a time, so many in all, so many a second."""

from __future__ import annotations

import threading
from heapq import heappop, heappush
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from wanflow.webhooks.errors import CallbackRejected
from wanflow.webhooks.store import TTLCache

if TYPE_CHECKING:
    from wanflow.webhooks.events import CallbackPayload

# Pauses before the second and later questions about one claim, in seconds: the API may tell of an
# end a moment after it called, and may be away for half a minute.
RETRY_DELAYS = (1.0, 2.0, 4.0, 8.0, 15.0)
# For so long a claim that came to nothing isn't asked about again, and ids are counted.
REJECTED_TTL = 60.0
# A job has one task; and a few more where it was submitted again after a failure.
MAX_TASKS_PER_JOB = 4
# What a server asks for with Retry-After is kept to, up to this; polling covers what is later.
MAX_RETRY_AFTER = 60.0


@frozen
class Verified:
    """The question is answered, and need not be asked again."""


@frozen
class Rejected:
    """The question has an answer that asking again won't change, and the claim came to nothing."""


@frozen
class RetryLater:
    """The answer isn't there yet. `asked` is the pause that the API asked for, in seconds."""

    retry_after: float = 0.0


Outcome: TypeAlias = Verified | Rejected | RetryLater


class VerificationQueue:
    """Hands out claims to ask about. It acts on nothing and reads no clock; any thread may call it.

    Args:
        size: claims that may be open at once.
        rate: questions a second, in all.
        hands: workers that may ask at once.
    """

    def __init__(
        self, *, max_pending: int = 1000, checks_per_second: float = 20.0, workers: int = 4
    ) -> None:
        self._size = max_pending
        self._gap = 1.0 / checks_per_second
        self._hands = workers
        self._busy = 0
        self._free_at = float("-inf")
        self._closed = False
        self._tries: dict[str, int] = {}
        self._queue: list[tuple[float, int, CallbackPayload]] = []
        self._entered = 0
        self._cooling: TTLCache[bool] = TTLCache(10 * max_pending, REJECTED_TTL)
        self._ids: TTLCache[frozenset[str]] = TTLCache(10 * max_pending, REJECTED_TTL)
        self._lock = threading.Lock()

    def put(self, claim: CallbackPayload, now: float) -> bool:
        """Take a claim in → whether it will be asked about; it isn't where that was just done.

        Raises:
            Refused: there are too many open claims (503), or too many tasks for the job (429).
        """
        with self._lock:
            if claim.key in self._tries or self._cooling.get(claim.key, now) is not None:
                return False
            if self._closed or len(self._tries) >= self._size:
                raise CallbackRejected("too much is to be asked already", status=503)
            ids = (self._ids.get(claim.job, now) or frozenset()) | {claim.task_id}
            if len(ids) > MAX_TASKS_PER_JOB:
                raise CallbackRejected("too many tasks are claimed for one job", status=429)
            self._ids.put(claim.job, ids, now)
            self._tries[claim.key] = 0
            self._push(now, claim)
            return True

    def start_worker(self) -> bool:
        """Take on a worker → whether one is wanted; `next` tells it when it isn't any more."""
        with self._lock:
            wanted = self._busy < self._hands and bool(self._queue)
            self._busy += wanted
            return wanted

    def get(self, now: float) -> CallbackPayload | float | None:
        """Hand a worker the next claim, or the seconds until one is due, or None: it may go."""
        with self._lock:
            if self._closed or not self._queue:
                self._busy -= 1
                return None
            due = max(self._queue[0][0], self._free_at)
            if due > now:
                return due - now
            self._free_at = now + self._gap
            return heappop(self._queue)[2]

    def done(self, claim: CallbackPayload, outcome: Outcome, now: float) -> None:
        """Take back a claim with what the question came to."""
        with self._lock:
            tries = self._tries[claim.key]
            if isinstance(outcome, RetryLater) and tries < len(RETRY_DELAYS):
                self._tries[claim.key] = tries + 1
                asked = min(outcome.retry_after, MAX_RETRY_AFTER)
                self._push(now + max(RETRY_DELAYS[tries], asked), claim)
                return
            del self._tries[claim.key]
            if not isinstance(outcome, Verified):
                self._cooling.put(claim.key, True, now)

    def abandon(self, claim: CallbackPayload, now: float) -> None:
        """Take back a claim from a worker that was stopped in the middle of it, and let it go."""
        self.done(claim, RetryLater(), now)
        self.stop_worker()

    def stop_worker(self) -> None:
        """Let a worker go that was stopped."""
        with self._lock:
            self._busy -= 1

    def close(self) -> None:
        """Hand out nothing any more, and take nothing in."""
        with self._lock:
            self._closed = True

    @property
    def pending(self) -> int:
        """How many claims are being asked about, or will be."""
        return len(self._tries)

    def _push(self, due: float, claim: CallbackPayload) -> None:
        self._entered += 1
        heappush(self._queue, (due, self._entered, claim))
