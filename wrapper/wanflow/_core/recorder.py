"""The interface of a durable record of paid work: its steps, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from wanflow._core.effects import Deliver
    from wanflow._core.prices import PriceRecord
    from wanflow._core.snapshot import Snapshot
    from wanflow._core.uploads import UploadedLink


@frozen
class Budget:
    """The credits that all submissions of one name may cost together on one server.

    A submission belongs to it if its own name begins with `prefix`. `unknown_price` is what a job
    counts with while its price is unknown; without it, such a job is not sent.
    """

    prefix: str
    max_credits: float
    unknown_price: float | None = None


@frozen
class SubmissionIntent:
    """A submission that is about to be sent.

    `key` is its idempotency key and names the job; `content` is the body as sent; `folder` is
    where its files are wanted, None where nobody asked for them. `name` is the user's own name
    for the job and `attempt` counts its submissions from 1. `resend` allows a submission whose
    outcome isn't known to be sent again, with the same key. `price_class` is what determines its
    price. `name_template` is how its files are to be named, None for the names by the task's id.

    Where files were uploaded, `body` and `content` have a reference in place of each link, and
    `uploads` has the links by reference.
    """

    server: str
    key: str
    model: str
    body: dict[str, Any] = field(repr=False)
    content: bytes = field(repr=False)
    folder: Path | None = None
    name: str | None = None
    attempt: int = 1
    resend: bool = False
    price_class: str | None = None
    uploads: Mapping[str, UploadedLink] = field(factory=dict[str, "UploadedLink"], repr=False)
    budget: Budget | None = None
    name_template: str | None = None


@frozen
class File:
    """A saved file: its place among the results (from 0), bytes, and SHA-256 in hex."""

    index: int
    path: Path
    size: int
    sha256: str


class Recorder(Protocol):
    """Records each step before or after it is taken.

    Methods that say "without blocking" don't block; the others return when what they record is
    durable, and raise LedgerError where it can't be.
    """

    def submit(self, function: Callable[[], Any], deliver: Deliver) -> None:
        """Call a function that calls this recorder, without blocking.

        What it recorded is durable when `deliver` gets its outcome, in any thread.
        """
        ...

    def record_intent(self, intent: SubmissionIntent) -> Snapshot | None:
        """Keep an intent, fsynced, before anything of it is sent.

        Returns the task where the same submission was accepted before: it is not sent again.

        Raises:
            SubmitUncertain: it was sent before, and its answer was lost.
            InvalidRequest: the key was used for another request.
            JobTaken: another process is at it.
            LedgerError: the intent can't be kept, so nothing may be sent.
        """
        ...

    def uploaded_links(self, key: str) -> Mapping[str, UploadedLink]:
        """Return the links, by reference, that an uncertain submission was sent with.

        They are kept only while it is unknown whether it was accepted.
        """
        ...

    def record_accepted(
        self, key: str, snapshot: Snapshot, *, hold: bool, reason: str | None = None
    ) -> None:
        """Keep the task of a submission, fsynced; `hold` where its wait follows.

        `reason` says why it isn't certain that the task is the submission's own.
        """
        ...

    def record_accepted_later(self, key: str, snapshot: Snapshot) -> None:
        """Note, without blocking, the task of a submission that `record_accepted` couldn't keep.

        It is written as soon as that is possible, when the recorder is closed at the latest.
        """
        ...

    def record_rejected(self, key: str, reason: str) -> None:
        """Keep that a submission was provably not accepted."""
        ...

    def record_uncertain(self, key: str, reason: str) -> None:
        """Note, without blocking, that a submission's response was lost."""
        ...

    def record_unsent(self, key: str, reason: str) -> None:
        """Note, without blocking, that a submission wasn't sent, or that it was rejected."""
        ...

    def is_cached(
        self, server: str, task_id: str, folder: Path | None = None, name: str | None = None
    ) -> bool:
        """Return whether this process owns a task and saves its files, in `folder` if one is named.

        For such a task, `acquire_task`, `record_done` with a result, and `record_target_dir` with
        that folder and name don't block.
        """
        ...

    def submitted_at(self, server: str, task_id: str) -> float | None:
        """Return when a task was accepted, in unix seconds, None where that isn't recorded."""
        ...

    def prices(self, server: str, model: str) -> list[PriceRecord]:
        """Return what recorded jobs of a model cost on a server, by price class and price."""
        ...

    def possible_charges(self, key: str) -> int:
        """Return how often an uncertain submission was sent; 0 where none has this key."""
        ...

    def acquire_task(self, server: str, task_id: str) -> None:
        """Keep that this process waits for a task."""
        ...

    def record_poll(self, server: str, snapshot: Snapshot) -> None:
        """Note a poll of a task, without blocking."""
        ...

    def record_done(self, server: str, snapshot: Snapshot) -> None:
        """Keep how a task ended."""
        ...

    def record_lost(self, server: str, task_id: str, reason: str) -> None:
        """Keep that a task's files can't be had any more."""
        ...

    def record_missing(
        self, server: str, task_id: str, reason: str, now: float | None = None
    ) -> None:
        """Keep that the server knows no such task, or not under this key; `now` is its own time.

        Within a task's 24 hours that may be a fault, or another account's key: it stays unfinished.
        """
        ...

    def record_target_dir(
        self, server: str, task_id: str, folder: Path, name: str | None = None
    ) -> str | None:
        """Keep where a task's files are wanted, and by which template they are named, if any.

        Returns the template: without a `name`, the recorded one.
        """
        ...

    def record_files(self, server: str, task_id: str, files: Sequence[File]) -> None:
        """Keep the files of a task, all of them on disk."""
        ...

    def release_task(self, server: str, task_id: str) -> None:
        """Note, without blocking, that this process no longer works on a task."""
        ...
