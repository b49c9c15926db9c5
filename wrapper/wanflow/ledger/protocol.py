"""What a ledger needs of the place where its jobs are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from wanflow._core.effects import Deliver
    from wanflow._core.prices import PriceRecord
    from wanflow._core.recorder import Budget, File
    from wanflow.ledger.budget import BudgetState
    from wanflow.ledger.connection import Check
    from wanflow.ledger.job import Job, JobState
    from wanflow.ledger.refs import Changes, ClaimedJobs, JobFilter, JobRef, TaskRef

T = TypeVar("T")


class Store(Protocol):
    """Where jobs are stored. All methods raise LedgerError where it can't be read or written."""

    def submit(self, function: Callable[[], Any], deliver: Deliver) -> None:
        """Call a function that uses this store, in a durable transaction shared with others.

        `deliver` gets its outcome, in another thread. The function may be called again.
        """
        ...

    def transact(self, function: Callable[[], T], lock: str) -> T:
        """Call a function that uses this store, in a durable transaction with a lock."""
        ...

    def add(self, job: Changes, check: Check | None = None) -> Job | None:
        """Add a job, durably; return the existing one if its key or name is taken."""
        ...

    def adopt(self, task: TaskRef, now: float) -> None:
        """Own the job of a task; add one if the task was submitted by another program."""
        ...

    def change(
        self,
        which: JobRef,
        changes: Changes,
        *,
        only: frozenset[JobState] | None = None,
        durable: bool = False,
        files: Sequence[File] = (),
    ) -> bool:
        """Change a job that is in one of the states; False if there is none."""
        ...

    def update_later(
        self, which: JobRef, changes: Changes, *, only: frozenset[JobState] | None = None
    ) -> None:
        """Buffer a change, written with the job's next write or half a second later."""
        ...

    def acquire(
        self,
        job: Job,
        state: JobState,
        *,
        resend: bool = False,
        name: str | None = None,
        check: Check | None = None,
    ) -> bool:
        """Own a job, durably in another state; False if it changed since it was read."""
        ...

    def resend(self, number: int, check: Check | None = None) -> bool:
        """Count, durably, that an uncertain job is sent again; False if it isn't uncertain."""
        ...

    def claim(self, selection: JobFilter) -> ClaimedJobs:
        """Own the selected jobs that no living process owns."""
        ...

    def find(self, which: JobRef) -> Job | None:
        """Return one job."""
        ...

    def find_named(self, names: Sequence[str]) -> list[Job]:
        """Return all attempts of named jobs, ordered by attempt."""
        ...

    def output_dirs(self) -> list[Path]:
        """Return the output directories of named jobs."""
        ...

    def prices(self, server: str, model: str) -> list[PriceRecord]:
        """Return what the jobs of a model cost on a server."""
        ...

    def budget(self, server: str, budget: Budget) -> BudgetState:
        """Return what the submissions of a budget cost, or may have cost."""
        ...

    def jobs(self, selection: JobFilter) -> list[Job]:
        """Return the selected jobs."""
        ...

    def is_owned(self, job: Job) -> bool:
        """Return whether a living process, this one or another, owns a job."""
        ...

    def is_queued(self, job: Job) -> bool:
        """Return whether a job is in a queue."""
        ...

    def delete(self, jobs: Iterable[Job]) -> int:
        """Delete jobs whose state is unchanged since they were read, and return how many."""
        ...

    def close(self) -> None:
        """Write buffered changes, release all jobs, and close; a second call does nothing."""
        ...
