"""What a ledger needs of a database, small enough that another kind could take SQLite's place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wanflow._core.effects import Outcome
    from wanflow._core.recorder import File
    from wanflow.ledger.job import Job, JobState


@frozen
class KeyRef:
    """The job with an idempotency key."""

    key: str


@frozen
class TaskRef:
    """The job of a task, on a server or (None) on the one that has it."""

    server: str | None
    task_id: str


@frozen
class IdRef:
    """The job with a number."""

    id: int


JobRef: TypeAlias = KeyRef | TaskRef | IdRef
Changes: TypeAlias = "Mapping[str, Any]"
"""New values by the names of Job's fields, and `held`: whether this process works on the job."""


@frozen
class JobFilter:
    """Jobs in some states (None: in any), newest or oldest first, at most `limit` of them.

    `unfinished` are those with something left to do; beside them, with `unsaved_since`, those that
    were submitted later than that and completed, and nobody asked for their files.
    """

    states: frozenset[JobState] | None = None
    unfinished: bool = False
    unsaved_since: float | None = None
    server: str | None = None
    newest_first: bool = False
    limit: int | None = None


@frozen
class ClaimedJobs:
    """What was claimed, and how many jobs are in the hands of living processes."""

    jobs: tuple[Job, ...]
    locked: int


class Store(Protocol):
    """Keeps jobs. Every method raises LedgerError where the database can't do it."""

    def together(self, functions: Sequence[Callable[[], Any]]) -> list[Outcome]:
        """Call functions that use this store → what each came to; they share one commit."""
        ...

    def add(self, job: Changes) -> Job | None:
        """Keep a new job, durably; return the one in its way where its key or name is taken."""
        ...

    def adopt(self, task: TaskRef, now: float) -> None:
        """Keep a job for a task that was submitted elsewhere, if there is none, and hold it."""
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
        """Change a job that is in one of the states; False where there is none."""
        ...

    def update_later(
        self, which: JobRef, changes: Changes, *, only: frozenset[JobState] | None = None
    ) -> None:
        """Change a job with its next write, at once; half a second later at most."""
        ...

    def take(self, job: Job, state: JobState) -> bool:
        """Hold a job that still is as it was read, durably in another state.

        False where another process was faster, or lives and is at it.
        """
        ...

    def claim(self, selection: JobFilter) -> ClaimedJobs:
        """Hold the selected jobs that no living process holds."""
        ...

    def living(self, job: Job) -> bool:
        """Tell whether a living process, this one or another, holds a job."""
        ...

    def find(self, which: JobRef) -> Job | None:
        """Read one job."""
        ...

    def named(self, names: Sequence[str]) -> list[Job]:
        """Read all attempts at named jobs, the first one at each first."""
        ...

    def jobs(self, selection: JobFilter) -> list[Job]:
        """Read jobs."""
        ...

    def forget(self, jobs: Iterable[Job]) -> int:
        """Remove jobs that still are as they were read, and return how many."""
        ...

    def close(self) -> None:
        """Write what is noted, give up what is held, and close."""
        ...
