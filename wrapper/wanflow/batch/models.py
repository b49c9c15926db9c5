"""All lines are checked before the first is sent, and each becomes a named job."""

from __future__ import annotations

import json
from collections import Counter
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import define, evolve, field, frozen
from attrs.validators import ge, gt, optional

from wanflow._core.model_lookup import EXTRA_HINT
from wanflow.errors import InvalidRequest
from wanflow.ledger.deduplication import request_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from wanflow._core.snapshot import Snapshot
    from wanflow._flows.operations import Operations
    from wanflow.ledger import File, Job, Ledger


class JobStatus(StrEnum):
    """What became of a job in this run of the batch."""

    SAVED = "saved"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    RESUMABLE = "open"
    """Its task goes on, or its files are still to be saved; the next run takes it up."""
    NOT_SENT = "unsent"
    """It was not sent: the batch was stopped, or the ceiling reached."""
    LOCKED = "taken"
    """Another process that shares the ledger is at it."""


@define(eq=False)
class JobRun:
    """A job under way. `job` is what the ledger had of it when this run began.

    `credits` is what it said it would cost; `resend` allows a submission in doubt to be sent
    again.
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
    """What became of a job: its end in this run, why, and its files.

    `credits` are those of its last submission, `attempts` counts its submissions in all runs;
    `earlier` where it had been done before this run. `code` is that of a failed task.
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

    `faults` is what was wrong with it before it became a request, which is checked all the same.
    """

    line: int
    body: dict[str, Any] = field(repr=False)
    key: str | None = None
    errors: tuple[str, ...] = ()


@frozen
class RowError:
    """What is wrong with one line."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class InvalidBatch(InvalidRequest):
    """Lines of the batch are wrong, and nothing was sent; `faults` has all of them, by line."""

    def __init__(self, message: str, *, row_errors: tuple[RowError, ...] = ()) -> None:
        super().__init__(message)
        self.row_errors = row_errors


def invalid_batch(row_errors: list[RowError]) -> InvalidBatch:
    """Make the error that lists all faults."""
    ordered = tuple(sorted(row_errors, key=lambda fault: fault.line))
    lines = len({fault.line for fault in ordered})
    text = "\n".join(f"  {fault}" for fault in ordered)
    return InvalidBatch(
        f"{lines} of the batch's lines are wrong, and nothing was sent:\n{text}", row_errors=ordered
    )


DEFAULT_MAX_CONCURRENCY = 256
DEFAULT_SUBMISSIONS = 16
DEFAULT_DOWNLOADS = 16


@frozen
class BatchProgress:
    """How a batch stands: jobs by what is being done with them, credits, and the latest trouble."""

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

    @property
    def done(self) -> int:
        """How many jobs are at an end."""
        return self.saved + self.failed + self.uncertain


class StopSignal:
    """Asks a batch to begin nothing more; any thread may, and a signal handler."""

    def __init__(self) -> None:
        # An event has a lock, which would be waited for in the handler of a signal.
        self._is_set = False

    def set(self) -> None:
        """Ask for it."""
        self._is_set = True

    @property
    def is_set(self) -> bool:
        """Whether it was asked for."""
        return self._is_set


@frozen
class BatchOptions:
    """How a batch is done.

    Files go to `folder`. `max_credits` is a ceiling for all runs of the batch together, None for
    no end. A failed task is submitted again up to `retries` times where its code says that it can
    help; a submission in doubt only where `resubmit_uncertain`. `in_flight` jobs are under way at
    once, `submissions` of them being sent and `saves` being saved. `timeout` is in seconds for
    each wait.
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


@frozen
class PlannedJob:
    """A job of the batch: `name` is the same for the same job in every run, empty until `named`.

    `deprecated` lists what of it the spec will remove.
    """

    line: int
    name: str
    model: str
    body: dict[str, Any] = field(repr=False)
    content: bytes = field(repr=False)
    key: str | None = None
    deprecated: tuple[str, ...] = ()


def plan(
    operations: Operations, ledger: Ledger, lines: Iterable[JobSpec | RowError]
) -> list[PlannedJob]:
    """Check every line, and return the jobs, those of equal keys once.

    Raises:
        InvalidBatch: something is wrong with a line; all that is wrong is listed.
    """
    faults: list[RowError] = []
    jobs: dict[str | int, PlannedJob] = {}
    for line in lines:
        found = line if isinstance(line, RowError) else _plan_job(operations, line)
        faults.extend(_row_errors(found, jobs, ledger))
        if isinstance(found, PlannedJob):
            jobs.setdefault(found.line if found.key is None else found.key.strip(), found)
    if faults:
        raise invalid_batch(faults)
    return list(jobs.values())


def with_names(jobs: Iterable[PlannedJob], batch: bytes, ledger: Ledger) -> list[PlannedJob]:
    """Name the jobs that have no keys.

    Each is named after its batch, its request and how many like it come before: the same lines in
    the same batch are the same jobs, in whatever order their members are written. Earlier versions
    told orders apart, and a name of theirs that is known stays.
    """
    chosen = list(jobs)
    now = _job_names(chosen, batch, _with_sorted_members)
    before = _job_names(chosen, batch, bytes)
    known = ledger.attempts(before)
    names = (old if known.get(old) else new for old, new in zip(before, now, strict=True))
    return [
        evolve(job, name=name) if job.key is None else job
        for job, name in zip(chosen, names, strict=True)
    ]


def _job_names(
    jobs: Iterable[PlannedJob], batch: bytes, written: Callable[[bytes], bytes]
) -> list[str]:
    same: Counter[str] = Counter()
    names: list[str] = []
    for job in jobs:
        digest = sha256(batch + b"\n" + written(job.content)).hexdigest()[:24]
        same[digest] += job.key is None
        names.append(f"{digest}.{same[digest]}")
    return names


def _with_sorted_members(content: bytes) -> bytes:
    """Write a request with its members in the order of their names."""
    return json.dumps(json.loads(content), sort_keys=True).encode()


def _plan_job(operations: Operations, line: JobSpec) -> PlannedJob | list[RowError]:
    said, order = list(line.errors), None
    try:
        order = operations.prepare(line.body, {})
    except InvalidRequest as error:
        said += [violation.message for violation in error.violations] or [str(error)]
    if said or order is None:
        # A line is the request and nothing beside it.
        return [RowError(line.line, message.removesuffix(EXTRA_HINT)) for message in said]
    content = order.request.content or b""
    return PlannedJob(
        line.line,
        line.key or "",
        order.model,
        order.body,
        content,
        line.key,
        order.deprecated,
    )


def _row_errors(
    found: PlannedJob | RowError | list[RowError],
    jobs: Mapping[str | int, PlannedJob],
    ledger: Ledger,
) -> Iterator[RowError]:
    match found:
        case PlannedJob():
            yield from _conflicts(found, jobs, ledger)
        case RowError():
            yield found
        case _:
            yield from found


def _conflicts(
    job: PlannedJob, jobs: Mapping[str | int, PlannedJob], ledger: Ledger
) -> Iterator[RowError]:
    """Find another request under the same key, in this batch or in the ledger."""
    twin = None if job.key is None else jobs.get(job.key.strip())
    if twin is not None and twin.key != job.key:
        yield RowError(
            job.line, f"key {job.key!r} is {twin.key!r} of line {twin.line} but for blanks"
        )
    elif twin is not None and twin.content != job.content:
        yield RowError(job.line, f"key {job.key!r} is that of another request on line {twin.line}")
    if twin is None and job.key is not None:
        for before in ledger.find_by_name(job.name):
            if before.digest != request_digest(before.key or "", job.content):
                text = f"key {job.key!r} was used for another request before (job {before.id})"
                yield RowError(job.line, text)
                return


if TYPE_CHECKING:
    OnBatchProgress: TypeAlias = Callable[[BatchProgress], object] | None
    OnJobResult: TypeAlias = Callable[[JobResult], object] | None
    JobInput: TypeAlias = JobSpec | RowError
