"""The values of a batch: its jobs, their results, its options and its progress."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import define, field, frozen
from attrs.validators import ge, gt, optional

from wanflow.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wanflow._core.file_names import NameTemplate
    from wanflow._core.link_expiry import ExpiringLink
    from wanflow._core.local_files import LocalFile
    from wanflow._core.snapshot import Snapshot
    from wanflow.ledger import File, Job


class JobStatus(StrEnum):
    """The status of a job at the end of a run."""

    SAVED = "saved"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    RESUMABLE = "resumable"
    """Its task is still running, or its files are not saved yet: the next run resumes it."""
    NOT_SENT = "not_sent"
    """It was not sent: the batch was stopped, or the credit limit was reached."""
    DISCARDED = "discarded"
    """It was uncertain, and its user discarded it: it is not sent again."""
    LOCKED = "locked"
    """Another process that shares the ledger works on it, or a queue's workers will."""

    @property
    def label(self) -> str:
        """The status in words."""
        return "to resume" if self is JobStatus.RESUMABLE else self.value.replace("_", " ")


@define(eq=False)
class JobRun:
    """A job in progress. `recorded` is what the ledger had of it when this run started.

    `credits` is its reported cost; `resend` allows an uncertain submission to be sent again.
    """

    job: PlannedJob
    price_class: str
    key: str
    attempt: int = 1
    recorded: Job | None = None
    resend: bool = False
    task_id: str | None = None
    snapshot: Snapshot | None = field(default=None, repr=False)
    credits: float | None = None


@frozen
class JobResult:
    """The result of a job: its status, the reason, and its files.

    `credits` is the cost of its last submission, `attempts` its number of submissions in all
    runs. `from_earlier_run` is true if it was done before this run. `code` is the error code of
    a failed task.
    """

    job: PlannedJob
    status: JobStatus
    reason: str = ""
    task_id: str | None = None
    credits: float | None = None
    attempts: int = 0
    files: tuple[File, ...] = ()
    from_earlier_run: bool = False
    key: str | None = None
    code: str | None = None


@frozen
class JobSpec:
    """One line of a batch: its number (from 1), the request, and the user's key for the job.

    `errors` are the problems found while reading the line; the request is checked in any case.
    """

    line: int
    body: dict[str, Any] = field(repr=False)
    key: str | None = None
    errors: tuple[str, ...] = ()


@frozen
class RowError:
    """A problem with one line."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class InvalidBatch(InvalidRequest):
    """Some lines are invalid, and nothing was sent; `row_errors` has all problems, by line."""

    def __init__(self, message: str, *, row_errors: tuple[RowError, ...] = ()) -> None:
        super().__init__(message)
        self.row_errors = row_errors


DEFAULT_MAX_CONCURRENCY = 256
DEFAULT_SUBMISSIONS = 16
DEFAULT_DOWNLOADS = 16


@frozen
class BatchProgress:
    """The progress of a batch: numbers of jobs by state, credits, and the latest errors.

    `credits_at_most` is true if some of the credits were perhaps not charged.
    """

    total: int
    saved: int = 0
    failed: int = 0
    uncertain: int = 0
    waiting: int = 0
    submitting: int = 0
    running: int = 0
    saving: int = 0
    credits: float = 0.0
    recent_errors: tuple[str, ...] = ()
    discarded: int = 0
    credits_at_most: bool = False

    @property
    def done(self) -> int:
        """The number of jobs that are done."""
        return self.saved + self.failed + self.uncertain + self.discarded


class StopSignal:
    """Asks a batch to start nothing more. Threads and signal handlers may set it."""

    def __init__(self) -> None:
        # threading.Event has a lock, on which a signal handler could block.
        self._is_set = False

    def set(self) -> None:
        """Request the stop."""
        self._is_set = True

    @property
    def is_set(self) -> bool:
        """Whether a stop was requested."""
        return self._is_set


@frozen
class BatchOptions:
    """The options of a batch.

    Files are saved to `output_dir`. `max_credits` limits the cost of all runs of the batch
    together, None for no limit. A failed task is resubmitted up to `retries` times if its code is
    retryable; an uncertain submission is resent only with `resubmit_uncertain`. At most
    `max_concurrency` jobs are in flight, with at most `max_submissions` being sent and
    `max_downloads` being saved. `timeout` limits each wait, in seconds. `name` is how files are
    named, None for the names by the tasks' ids.
    """

    output_dir: Path
    timeout: float
    max_credits: float | None = field(default=None, validator=optional(ge(0)))
    retries: int = field(default=0, validator=ge(0))
    resubmit_uncertain: bool = False
    max_concurrency: int = field(default=DEFAULT_MAX_CONCURRENCY, validator=gt(0))
    max_submissions: int = field(default=DEFAULT_SUBMISSIONS, validator=gt(0))
    max_downloads: int = field(default=DEFAULT_DOWNLOADS, validator=gt(0))
    stop: StopSignal = field(factory=StopSignal)
    on_progress: OnBatchProgress = field(default=None, repr=False)
    on_result: OnJobResult = field(default=None, repr=False)
    name: NameTemplate | None = None


@frozen
class PlannedJob:
    """A validated job. `name` identifies the job in every run, empty until `with_names` sets it.

    `warnings` lists what of it has no effect, `deprecated` what of it the spec deprecates. In
    `body` and `content`, which identify it, references made of the contents stand in place of its
    local `files`. `expiring` are its links whose text says when they expire. `file_name` is how its
    files are named.
    """

    line: int
    name: str
    model: str
    body: dict[str, Any] = field(repr=False)
    content: bytes = field(repr=False)
    key: str | None = None
    warnings: tuple[str, ...] = ()
    deprecated: tuple[str, ...] = ()
    files: tuple[LocalFile, ...] = ()
    expiring: tuple[ExpiringLink, ...] = field(default=(), repr=False)
    file_name: NameTemplate | None = None


if TYPE_CHECKING:
    OnBatchProgress: TypeAlias = Callable[[BatchProgress], object] | None
    OnJobResult: TypeAlias = Callable[[JobResult], object] | None
    JobInput: TypeAlias = JobSpec | RowError
