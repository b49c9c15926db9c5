"""A job on its way through a batch, and what became of it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import define, field, frozen

if TYPE_CHECKING:
    from wanflow._core.snapshot import Snapshot
    from wanflow.batch.planning import Planned
    from wanflow.ledger import File, Job


class End(StrEnum):
    """What became of a job in this run of the batch."""

    SAVED = "saved"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    OPEN = "open"
    """Its task goes on, or its files are still to be saved; the next run takes it up."""
    UNSENT = "unsent"
    """It was not sent: the batch was stopped, or the ceiling reached."""
    TAKEN = "taken"
    """Another process that shares the ledger is at it."""


@define(eq=False)
class Item:
    """A job under way. `job` is what the ledger had of it when this run began.

    `credits` is what it said it would cost; `resend` allows a submission in doubt to be sent
    again.
    """

    planned: Planned
    kind: str
    key: str
    attempt: int = 1
    job: Job | None = None
    resend: bool = False
    task_id: str | None = None
    snapshot: Snapshot | None = field(default=None, repr=False)
    credits: float | None = None


@frozen
class Outcome:
    """What became of a job: its end in this run, why, and its files.

    `credits` are those of its last submission, `attempts` counts its submissions in all runs;
    `earlier` where it had been done before this run. `code` is that of a failed task.
    """

    planned: Planned
    end: End
    reason: str = ""
    task_id: str | None = None
    credits: float | None = None
    attempts: int = 0
    files: tuple[File, ...] = ()
    earlier: bool = False
    key: str | None = None
    code: str | None = None
