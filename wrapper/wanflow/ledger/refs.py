"""How jobs are addressed and selected in a ledger, and what a claim returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

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
"""New values by the names of Job's fields, and `owned`: whether this process works on the job."""


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
