"""Polls the running tasks of a batch with one queue, to which tasks are added at any time.

Separate waits for ten thousand tasks would take most of the time and memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, evolve, field

from wanflow._core.effects import random_float, read_clock
from wanflow._core.poll_schedule import WORTH_OF_MANY
from wanflow._flows import poll_events, poll_many
from wanflow._flows.poll import wait_timed_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow._core.effects import Finished, Flow, Notified
    from wanflow._core.rate_limiter import Turn
    from wanflow._core.snapshot import Snapshot
    from wanflow._flows.poll_many import PollEntry, PollOutcome, PollQueue
    from wanflow.batch.models import JobRun
    from wanflow.batch.steps import Steps

MAX_POLLS = 16
"""Concurrent polls; more would not be faster even with a local server."""
POLLS_WHEN_BUSY = 4
"""Concurrent polls while there are jobs to submit or to save, which come first."""
MANY = 100
"""So many running tasks make each other wait: from the next one on, tasks are polled less often."""


@define(eq=False)
class BatchPoller:
    """The jobs with running tasks, from their submission until the task is known to be done."""

    steps: Steps
    on_poll: Callable[[JobRun, Snapshot], None] = lambda _, __: None
    """Called with a job and the snapshot of each poll."""
    items: dict[int, JobRun] = field(factory=dict[int, "JobRun"])
    _queue: PollQueue | None = None
    _count: int = 0

    def __contains__(self, task_id: object) -> bool:
        return self._queue is not None and task_id in self._queue.waiting

    def __len__(self) -> int:
        return len(self.items)

    def add(self, item: JobRun, known: Snapshot | None) -> Flow[None]:
        """Add a job; `known` is the last snapshot of its task."""
        assert item.task_id is not None
        target = self.steps.operations.poll_target(item.task_id, known)
        if len(self) >= MANY:
            target = evolve(target, worth=WORTH_OF_MANY)
        if self._queue is None:
            self._queue = poll_many.PollQueue(target.limiter)
        self._count += 1
        self.items[self._count] = item
        now, random = (yield from read_clock()), (yield from random_float())
        timeout = self.steps.options.timeout
        self._queue.add(self._count, target, now, timeout, random)
        yield from poll_events.wait_started(target.task_id, target.history, timeout, now.monotonic)

    def start_due_polls(self, now: float, *, busy: bool) -> Flow[None]:
        """Start the polls that are due, only a few of them if the batch is busy."""
        if self._queue is not None and self.items:
            yield from poll_many.start_due_polls(
                self._queue, now, POLLS_WHEN_BUSY if busy else MAX_POLLS
            )

    def time_until_next(self, now: float) -> float | None:
        """Return the seconds until the next poll, None if there is none to wait for."""
        if self._queue is None or self._queue.in_flight >= POLLS_WHEN_BUSY:
            return None
        return poll_many.time_until_next(self._queue, now)

    @property
    def turn(self) -> Turn | None:
        """The turn that the rate limiter reserved for the next poll."""
        return None if self._queue is None else self._queue.turn

    def handle_event(
        self, event: Finished | Notified | None
    ) -> Flow[tuple[JobRun, PollOutcome] | None]:
        """Handle an event; return the job whose wait it ended, with the outcome."""
        if self._queue is None:
            return None
        entry = self._entry_of(event)
        finished = yield from poll_many.handle_event(self._queue, event, None)
        if finished:
            return self.items.pop(finished[0][0].index), finished[0][1]
        if entry is not None:
            if entry.last_snapshot is not None:
                self.steps.record_poll(entry.last_snapshot)
                self.on_poll(self.items[entry.index], entry.last_snapshot)
            # The clock passed the deadline: no further poll is planned.
            if entry.due is None:
                return (yield from self._time_out(entry))
        return None

    def interrupt(self, error: str) -> Flow[None]:
        """Emit that something, such as an exception of this name, ended all waits."""
        if self._queue is not None:
            yield from self._queue.interrupt(error)

    def stop(self) -> list[JobRun]:
        """Stop polling; return the jobs that were polled. Their tasks are still running."""
        jobs, self.items = list(self.items.values()), {}
        if self._queue is not None:
            self._queue.release_turn()
        self._queue = None
        for item in jobs:
            self.steps.release(item)
        return jobs

    def _entry_of(self, event: Finished | Notified | None) -> PollEntry | None:
        key = getattr(event, "key", None)
        return key if isinstance(key, poll_many.PollEntry) else None

    def _time_out(self, entry: PollEntry) -> Flow[tuple[JobRun, PollOutcome]]:
        assert self._queue is not None
        self._queue.remove(entry)
        timeout = self.steps.options.timeout
        error = yield from wait_timed_out(
            entry.target, timeout, entry.last_snapshot, entry.last_error
        )
        return self.items.pop(entry.index), error
