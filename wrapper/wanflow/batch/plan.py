"""The plan of a batch: check every line, and name each job."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from attrs import evolve

from wanflow._core.link_expiry import expired_links
from wanflow._core.model_lookup import EXTRA_HINT
from wanflow.batch.file_names import name_errors, with_file_names
from wanflow.batch.models import InvalidBatch, JobSpec, PlannedJob, RowError
from wanflow.errors import InvalidRequest
from wanflow.ledger import JobState
from wanflow.ledger.deduplication import request_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from wanflow._core.file_names import NameTemplate
    from wanflow._flows.operations import Operations
    from wanflow.ledger import Job


class NamedJobs(Protocol):
    """The named jobs that are recorded already, as a ledger has them."""

    def find_by_name(self, name: str) -> list[Job]:
        """List the attempts of a job."""
        ...

    def attempts(self, names: Iterable[str]) -> dict[str, list[Job]]:
        """List the attempts of jobs, by name; unknown names are left out."""
        ...


def plan(
    operations: Operations,
    ledger: NamedJobs,
    lines: Iterable[JobSpec | RowError],
    now: float,
    name: NameTemplate | None = None,
) -> list[PlannedJob]:
    """Check every line and its files, and return the jobs; lines with equal keys are one job.

    Links that expire soon after `now`, a Unix time, are errors, and so are files that the template
    `name` doesn't distinguish.

    Raises:
        InvalidBatch: some lines are invalid; the error lists all problems.
    """
    errors: list[RowError] = []
    jobs: dict[str | int, PlannedJob] = {}
    for line in lines:
        found = line if isinstance(line, RowError) else _plan_job(operations, line, now)
        errors.extend(_row_errors(found, jobs, ledger))
        if isinstance(found, PlannedJob):
            jobs.setdefault(found.line if found.key is None else found.key.strip(), found)
    planned = list(jobs.values())
    if name is not None:
        planned = with_file_names(planned, name)
        errors.extend(name_errors(planned, name))
    if errors:
        raise invalid_batch(errors)
    return planned


def with_names(jobs: Iterable[PlannedJob], batch: bytes, ledger: NamedJobs) -> list[PlannedJob]:
    """Name the jobs that have no keys.

    A name is made of the batch, the request, and the number of equal requests before it: equal
    lines of one batch are the same jobs in each run, whatever the order of their members. Earlier
    versions depended on that order; their names stay if the ledger has them.
    """
    jobs = list(jobs)
    new_names = _job_names(jobs, batch, _with_sorted_members)
    old_names = _job_names(jobs, batch, bytes)
    known = ledger.attempts(old_names)
    names = (old if known.get(old) else new for old, new in zip(old_names, new_names, strict=True))
    return [
        evolve(job, name=name) if job.key is None else job
        for job, name in zip(jobs, names, strict=True)
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
    """Return a JSON object with its members sorted by name."""
    return json.dumps(json.loads(content), sort_keys=True).encode()


def require_server(jobs: Iterable[PlannedJob], ledger: NamedJobs, server: str) -> None:
    """Reject jobs that another server has, or may have: its results aren't those of this one.

    Raises:
        InvalidBatch: there are some; the error lists all of them.
    """
    jobs = list(jobs)
    known = ledger.attempts(job.name for job in jobs)
    found = [
        RowError(job.line, _at_another_server(job, other))
        for job in jobs
        for other in known.get(job.name, ())[-1:]
        if other.server != server and other.state is not JobState.REJECTED
    ]
    if found:
        raise invalid_batch(found)


def _at_another_server(job: PlannedJob, recorded: Job) -> str:
    what = "a job in this directory" if job.key is None else f"key {job.key!r}"
    other = "another directory" if job.key is None else "another key"
    return (
        f"{what} was submitted to {recorded.server} (job {recorded.id}); use that base URL, "
        f"{other}, or another ledger"
    )


def _plan_job(operations: Operations, line: JobSpec, now: float) -> PlannedJob | list[RowError]:
    messages, request = list(line.errors), None
    try:
        request = operations.prepare(line.body, {})
        if request.local_files:
            request = operations.identify(request)
        messages += [one.message for one in expired_links(request.expiring, now)]
    except InvalidRequest as error:
        messages += [violation.message for violation in error.violations] or [str(error)]
    if messages or request is None:
        # A line can't have `extra`, so don't suggest it.
        return [RowError(line.line, message.removesuffix(EXTRA_HINT)) for message in messages]
    body, content = request.body, request.request.content or b""
    if request.uploaded is not None:
        body, content = request.uploaded.body, request.uploaded.content
    return PlannedJob(
        line.line,
        line.key or "",
        request.model,
        body,
        content,
        line.key,
        request.warnings,
        request.deprecated,
        request.local_files,
        request.expiring,
    )


def _row_errors(
    found: PlannedJob | RowError | list[RowError],
    jobs: Mapping[str | int, PlannedJob],
    ledger: NamedJobs,
) -> Iterator[RowError]:
    match found:
        case PlannedJob():
            yield from _conflicts(found, jobs, ledger)
        case RowError():
            yield found
        case _:
            yield from found


def _conflicts(
    job: PlannedJob, jobs: Mapping[str | int, PlannedJob], ledger: NamedJobs
) -> Iterator[RowError]:
    """Find another request with the same key, in this batch or in the ledger."""
    duplicate = None if job.key is None else jobs.get(job.key.strip())
    if duplicate is not None and duplicate.key != job.key:
        yield RowError(
            job.line,
            f"key {job.key!r} and {duplicate.key!r} of line {duplicate.line} differ only in blanks",
        )
    elif duplicate is not None and duplicate.content != job.content:
        yield RowError(
            job.line, f"key {job.key!r} is used for another request on line {duplicate.line}"
        )
    if duplicate is None and job.key is not None:
        for recorded in ledger.find_by_name(job.name):
            if recorded.digest != request_digest(recorded.key or "", job.content):
                text = f"key {job.key!r} was already used for another request (job {recorded.id})"
                yield RowError(job.line, text)
                return


def invalid_batch(row_errors: list[RowError]) -> InvalidBatch:
    """Return the error that lists all problems."""
    ordered = tuple(sorted(row_errors, key=lambda error: error.line))
    lines = len({error.line for error in ordered})
    text = "\n".join(f"  {error}" for error in ordered)
    which = "1 line of the batch is" if lines == 1 else f"{lines} lines of the batch are"
    return InvalidBatch(f"{which} invalid, and nothing was sent:\n{text}", row_errors=ordered)
