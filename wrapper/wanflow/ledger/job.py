"""A job as the ledger knows it, and what its state says."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from wanflow._core.recorder import File


class JobState(StrEnum):
    """How far a job has come."""

    INTENT = "intent"
    """Written down, about to be sent, or sent by a process that died before it knew more."""
    UNCERTAIN = "uncertain"
    """Sent, and nothing proves that it was rejected: there may be a task, and a charge."""
    REJECTED = "refused"
    """Provably not accepted; nothing was charged."""
    ACCEPTED = "accepted"
    """There is a task, which hadn't ended when last seen."""
    COMPLETED = "completed"
    """The task ended with results; its files aren't all saved."""
    SAVED = "saved"
    """All files are on disk."""
    FAILED = "failed"
    """The task ended without a result."""
    LOST = "lost"
    """The task or its links were gone before the files were saved."""


LINK_LIFETIME = 24 * 3600.0
"""Seconds that links live, by the documents; counted from the submission, to be safe."""

FINAL_STATES = frozenset({JobState.REJECTED, JobState.SAVED, JobState.FAILED, JobState.LOST})
"""Nothing follows these by itself."""


@frozen
class Owner:
    """The process that works on a job, or last did; `token` tells it from all others."""

    token: str
    process: int


@frozen
class Job:
    """One submission and what came of it.

    `key` is its idempotency key, None for a task that was submitted elsewhere; `body` is the
    request, without the prompts where they were left out (`abridged`). Times are in unix seconds.
    `reason` says why it was refused, failed, lost or is uncertain; `code` is the business code of
    a failure. `credits` are what it cost, `price` what it would have cost had it not failed.
    """

    id: int
    server: str
    key: str | None
    name: str | None
    attempt: int
    model: str | None
    body: dict[str, Any] | None = field(repr=False)
    redacted: bool
    digest: bytes | None = field(repr=False)
    state: JobState
    task_id: str | None
    output_dir: Path | None
    status: str | None
    progress: int | None
    code: str | None
    reason: str | None
    links: tuple[str, ...] = field(repr=False)
    credits: float | None
    recorded_at: float
    accepted: float | None
    ended: float | None
    created: int | None
    owner: Owner | None = None
    files: tuple[File, ...] = ()
    price: float | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do: it is at an end, or nobody asked for its files."""
        return self.state in FINAL_STATES or (
            self.state is JobState.COMPLETED and self.output_dir is None
        )

    @property
    def links_expire_at(self) -> float | None:
        """The earliest moment at which its links can die; None where they don't matter."""
        if self.created is None or self.state not in {JobState.ACCEPTED, JobState.COMPLETED}:
            return None
        return self.created + LINK_LIFETIME

    def possibly_expired(self, now: float) -> bool:
        """Whether its server may have forgotten it: its 24 hours are over, or it was never seen."""
        known = self.created if self.accepted is None else self.accepted
        return known is None or now >= known + LINK_LIFETIME

    @property
    def uncertain(self) -> bool:
        """Whether nobody knows if it was accepted, as long as no living process is at it."""
        return self.state in {JobState.INTENT, JobState.UNCERTAIN}


@frozen
class Remaining:
    """Completed jobs whose files aren't saved and whose links live, the earliest expiry first.

    `elsewhere` counts unfinished jobs by the address of their server, this one's left out.
    """

    unsaved: tuple[Job, ...] = ()
    other_servers: Mapping[str, int] = field(factory=dict[str, int])

    @property
    def files(self) -> int:
        """How many files aren't saved."""
        return sum(len(job.links) for job in self.unsaved)

    @property
    def links_expire_at(self) -> float | None:
        """The earliest moment, in unix seconds, at which a link can die."""
        return self.unsaved[0].links_expire_at if self.unsaved else None

    def describe_other_servers(self) -> Iterator[str]:
        """Say of each other server how many jobs are unfinished there."""
        for server, count in sorted(self.other_servers.items()):
            jobs = "1 unfinished job is" if count == 1 else f"{count} unfinished jobs are"
            yield f"{jobs} of another server ({server}), and were left to it"


def remaining_of(
    completed: Iterable[Job], servers: Iterable[str], server: str, now: float
) -> Remaining:
    """Tell what is left, of completed jobs and of the servers of all unfinished ones."""
    unsaved = [job for job in completed if job.links_expire_at is None or now < job.links_expire_at]
    unsaved.sort(key=lambda job: (job.links_expire_at is None, job.links_expire_at or 0.0))
    return Remaining(tuple(unsaved), Counter(other for other in servers if other != server))
