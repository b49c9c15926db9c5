"""How jobs are addressed and selected in a ledger, and what a claim returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.ledger.job import Job, JobState


class KeyRef(NamedTuple):
    """The job with this idempotency key."""

    key: str


class TaskRef(NamedTuple):
    """The job of a task on a server, or on any server (None)."""

    server: str | None
    task_id: str


class IdRef(NamedTuple):
    """The job with this number."""

    id: int


JobRef: TypeAlias = KeyRef | TaskRef | IdRef
Changes: TypeAlias = "Mapping[str, Any]"
"""New values by the names of Job's fields, and `owned`: whether this process works on the job."""


@frozen
class JobFilter:
    """Jobs in some states (None: any state), newest or oldest first, at most `limit`.

    `unfinished` selects those with something left to do; with `unsaved_since`, also completed jobs
    submitted after that time whose files weren't requested. `prefix` begins the names of all.
    """

    states: frozenset[JobState] | None = None
    unfinished: bool = False
    unsaved_since: float | None = None
    server: str | None = None
    newest_first: bool = False
    limit: int | None = None
    prefix: str | None = None


@frozen
class ClaimedJobs:
    """The claimed jobs, and how many jobs are locked by living processes."""

    jobs: tuple[Job, ...]
    locked: int


def prefix_range(prefix: str) -> tuple[str, str]:
    """Return the first name that begins with a prefix, and one that is after all of them."""
    return prefix, f"{prefix}\U0010ffff"
