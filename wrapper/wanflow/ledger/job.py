"""A job of the ledger, and its states."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow._core.snapshot import LINK_LIFETIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from wanflow._core.recorder import File
    from wanflow._core.uploads import UploadedLink


class JobState(StrEnum):
    """How far a job has come."""

    PLANNED = "planned"
    """Recorded for a queue, whose workers submit it. Nothing was sent."""
    INTENT = "intent"
    """Recorded before sending. If its process died, it may have been sent."""
    UNCERTAIN = "uncertain"
    """Sent, and not provably rejected: there may be a task, and a charge."""
    REJECTED = "refused"
    """Provably not accepted; nothing was charged."""
    ACCEPTED = "accepted"
    """There is a task, which wasn't done at the last poll."""
    COMPLETED = "completed"
    """The task ended with results; not all of its files are saved."""
    SAVED = "saved"
    """All files are on disk."""
    FAILED = "failed"
    """The task ended without a result."""
    LOST = "lost"
    """The task or its links were gone before the files were saved."""
    DISCARDED = "discarded"
    """It was uncertain, and its user discarded it: it isn't sent again. It may be charged."""


FINAL_STATES = frozenset(
    {JobState.REJECTED, JobState.SAVED, JobState.FAILED, JobState.LOST, JobState.DISCARDED}
)
"""States in which a job stays."""
MISSING_STATES = frozenset({JobState.LOST, JobState.DISCARDED})
"""States of a job whose user decides about it, as long as no poll has found a task of it."""


@frozen
class Owner:
    """The process that works on a job, or last did; `token` is unique to it."""

    token: str
    process: int


@frozen
class Job:
    """One submission and its outcome.

    `key` is its idempotency key, None for a task that another program submitted; `body` is the
    request, without its prompts if `redacted`. Times are Unix times. `reason` says why it was
    rejected, failed, was lost or is uncertain; `code` is the error code of a failed task.
    `credits` is what it cost, `price` what it would have cost if it hadn't failed. `body` has a
    reference, `sha256:…`, in place of the link of an uploaded file; `uploads` has the links, and
    only while it is unknown whether the submission was accepted. `sends` is how often it may have
    been accepted: once, and once more each time that it was sent again while that was uncertain.
    `name_template` is how its files are named, None for the names by the task's id.
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
    uploads: Mapping[str, UploadedLink] = field(factory=dict[str, "UploadedLink"], repr=False)
    sends: int = 1
    name_template: str | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do: its state is final, or its files weren't requested."""
        return self.state in FINAL_STATES or (
            self.state is JobState.COMPLETED and self.output_dir is None
        )

    @property
    def links_expire_at(self) -> float | None:
        """The earliest Unix time at which its links can expire; None if they don't matter."""
        if self.created is None or self.state not in {JobState.ACCEPTED, JobState.COMPLETED}:
            return None
        return self.created + LINK_LIFETIME

    def possibly_expired(self, now: float) -> bool:
        """Whether its server may have deleted it: 24 hours have passed, or its age is unknown.

        The time of its creation is the server's, that of its acceptance is by another clock.
        """
        known = [time for time in (self.created, self.accepted) if time is not None]
        return not known or now >= max(known) + LINK_LIFETIME

    @property
    def uncertain(self) -> bool:
        """Whether it may have been accepted, if no living process owns it."""
        return self.state in {JobState.INTENT, JobState.UNCERTAIN}

    @property
    def task_unknown(self) -> bool:
        """Whether it may have a task that no response has shown: its user decides about it.

        A task that a response named is the job's own, until its server doesn't know it any more.
        """
        was_given = self.status is None and self.state is JobState.ACCEPTED
        is_missing = not self.status and self.state in MISSING_STATES
        return self.key is not None and (self.uncertain or was_given or is_missing)


@frozen
class Remaining:
    """Completed jobs with unsaved files and valid links, those that expire first at the front.

    `other_servers` counts unfinished jobs by the address of their server, without this one.
    """

    unsaved: tuple[Job, ...] = ()
    other_servers: Mapping[str, int] = field(factory=dict[str, int])

    @property
    def files(self) -> int:
        """The number of files that aren't saved."""
        return sum(len(job.links) for job in self.unsaved)

    @property
    def links_expire_at(self) -> float | None:
        """The earliest Unix time at which a link can expire."""
        return self.unsaved[0].links_expire_at if self.unsaved else None

    def describe_other_servers(self) -> Iterator[str]:
        """Return a sentence per other server with its number of unfinished jobs."""
        for server, count in sorted(self.other_servers.items()):
            jobs = "1 unfinished job belongs" if count == 1 else f"{count} unfinished jobs belong"
            yield f"{jobs} to another server ({server}); resume with its base URL"


def remaining_of(
    completed: Iterable[Job], servers: Iterable[str], server: str, now: float
) -> Remaining:
    """Return what remains, given the completed jobs and the servers of all unfinished ones."""
    unsaved = [job for job in completed if job.links_expire_at is None or now < job.links_expire_at]
    unsaved.sort(key=lambda job: (job.links_expire_at is None, job.links_expire_at or 0.0))
    return Remaining(tuple(unsaved), Counter(other for other in servers if other != server))
