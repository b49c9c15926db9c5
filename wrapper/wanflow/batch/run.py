"""A whole batch as one flow: check all jobs, do them, write the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

from attrs import evolve

from wanflow import errors
from wanflow._core.effects import read_clock, run_blocking
from wanflow._core.file_names import BATCH_FIELDS, parse_template
from wanflow._log import warn
from wanflow._paths import output_path
from wanflow._storage.storage import check_writable, may_resume
from wanflow.batch.contact_sheet import write_sheet
from wanflow.batch.engine import make_engine
from wanflow.batch.identity import batch_name, exclusive
from wanflow.batch.input import RowParser, make_job
from wanflow.batch.models import (
    DEFAULT_MAX_CONCURRENCY,
    BatchOptions,
    JobSpec,
    RowError,
    StopSignal,
)
from wanflow.batch.plan import plan, require_server, with_names
from wanflow.batch.report import Report, write_pages, write_report
from wanflow.batch.steps import Steps
from wanflow.ledger.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike
    from pathlib import Path
    from typing import Any

    from wanflow._core.effects import Flow
    from wanflow._core.file_names import NameTemplate
    from wanflow._flows.operations import Operations
    from wanflow.batch.models import PlannedJob
    from wanflow.batch.plan import NamedJobs


_MAX_LINES = 3
"""So many lines are named in a warning."""


def run_batch(
    operations: Operations,
    jobs: Iterable[Mapping[str, Any] | JobSpec | RowError],
    options: BatchOptions,
) -> Flow[Report]:
    """Check every line, do every job, and write a report and a contact sheet.

    Raises:
        InvalidBatch: some lines are invalid, or were submitted to another server; the error lists
            all problems, and nothing was sent.
        ConfigurationError: the client has no ledger, the output directory isn't writable, or
            another process runs this batch with a credit limit.
        LedgerError: the ledger can't be read.
    """
    ledger = operations.recording.recorder
    if not isinstance(ledger, Ledger):
        raise errors.ConfigurationError("a batch needs a ledger: Client(ledger=Ledger(path))")
    now = yield from read_clock()
    planned = yield from check_jobs(operations, ledger, jobs, options.name)
    fresh = yield from run_blocking(lambda: _prepare_folder(options.output_dir))
    planned = yield from run_blocking(
        lambda: with_names(planned, _batch_name(options.output_dir, ledger, planned), ledger)
    )
    server = operations.recording.server
    yield from run_blocking(lambda: require_server(planned, ledger, server))
    # More submissions than connections would only wait for a connection.
    max_submissions = min(options.max_submissions, operations.max_connections)
    engine = make_engine(
        Steps(operations, ledger, evolve(options, max_submissions=max_submissions), fresh)
    )
    with exclusive(options.output_dir, required=options.max_credits is not None):
        yield from engine.run(planned)
    report = Report(
        options.output_dir,
        tuple(sorted(engine.results.job_results, key=lambda result: result.job.line)),
        engine.cost.credits,
        (yield from read_clock()).monotonic - now.monotonic,
        engine.stop_reason,
        credits_at_most=engine.cost.at_most,
    )
    return (yield from run_blocking(lambda: write_pages(report, write_report, write_sheet)))


def _prepare_folder(folder: Path) -> bool:
    """Create the directory, and return whether no earlier run left a part of a file there.

    Asking once is enough: what other processes leave there later belongs to tasks of theirs.

    Raises:
        ConfigurationError: it can't be written.
    """
    check_writable(folder)
    return not may_resume(folder)


def check_jobs(
    operations: Operations,
    ledger: NamedJobs,
    jobs: Iterable[Mapping[str, Any] | JobSpec | RowError],
    name: NameTemplate | None = None,
) -> Flow[list[PlannedJob]]:
    """Check every line, and return the jobs; warn of what has no effect.

    Raises:
        InvalidBatch: some lines are invalid; the error lists all problems.
    """
    now = yield from read_clock()
    planned = yield from run_blocking(
        lambda: plan(operations, ledger, _job_specs(operations, jobs), now.wall, name)
    )
    _warn(planned)
    return planned


def _warn(jobs: Sequence[PlannedJob]) -> None:
    """Warn once of each thing that has no effect or is deprecated, and name the first lines."""
    for sentence, lines in _lines_by_sentence(jobs, "warnings").items():
        warn(f"{sentence} ({lines})", errors.RequestWarning)
    deprecated = _lines_by_sentence(jobs, "deprecated")
    if deprecated:
        sentences = "; ".join(f"{one} ({lines})" for one, lines in deprecated.items())
        warn(sentences, DeprecationWarning)


def _lines_by_sentence(jobs: Sequence[PlannedJob], kind: str) -> dict[str, str]:
    found: dict[str, list[int]] = {}
    for job in jobs:
        for sentence in getattr(job, kind):
            found.setdefault(sentence, []).append(job.line)
    return {sentence: _describe_lines(lines) for sentence, lines in found.items()}


def _describe_lines(lines: list[int]) -> str:
    shown = ", ".join(map(str, lines[:_MAX_LINES]))
    more = len(lines) - _MAX_LINES
    return f"line{'s' * (len(lines) > 1)} {shown}{f' and {more} more' if more > 0 else ''}"


def _batch_name(output_dir: Path, ledger: Ledger, jobs: Sequence[PlannedJob]) -> bytes:
    """Return the name of the batch in a directory."""

    def count_known(batch: bytes) -> int:
        return len(
            ledger.attempts(job.name for job in with_names(jobs, batch, ledger) if job.key is None)
        )

    return batch_name(output_dir, ledger.output_dirs, count_known)


def make_options(
    output_dir: str | PathLike[str],
    timeout: float,
    *,
    max_concurrency: int | None,
    stop: StopSignal | None,
    name: str | None = None,
    **more: Any,
) -> BatchOptions:
    """Make the options from the caller's arguments.

    Raises:
        ConfigurationError: a number is out of range, or the directory is a URL of no storage.
        InvalidRequest: `name` is no template.
    """
    template = None if name is None else parse_template(name, BATCH_FIELDS)
    try:
        return BatchOptions(
            output_path(output_dir),
            timeout,
            max_concurrency=max_concurrency or DEFAULT_MAX_CONCURRENCY,
            stop=stop or StopSignal(),
            name=template,
            **more,
        )
    except ValueError as error:
        raise errors.ConfigurationError(str(error.args[0])) from None


def _job_specs(operations: Operations, jobs: object) -> Iterator[JobSpec | RowError]:
    """Number the jobs that have no line yet; each may have a `key` beside its parameters.

    Raises:
        InvalidRequest: `jobs` is a single job, or not iterable.
    """
    kind: type[object] = type(jobs)
    if issubclass(kind, str | bytes | Mapping) or not issubclass(kind, Iterable):
        raise errors.InvalidRequest(f"a batch is a list of jobs (got {kind.__name__})")
    parser = RowParser(operations.catalog)
    for line, job in enumerate(cast("Iterable[object]", jobs), 1):
        if isinstance(job, JobSpec | RowError):
            yield job
        elif isinstance(job, Mapping):
            yield make_job(line, cast("Mapping[str, Any]", job), parser)
        else:
            yield RowError(line, f"a job is a dict of parameters (got {type(job).__name__})")
