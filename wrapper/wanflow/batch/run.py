"""A whole batch as one flow: check all, do all, and report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from attrs import evolve

from wanflow import errors
from wanflow._core.effects import read_clock, run_blocking
from wanflow._log import warn
from wanflow._storage.part_file import check_writable
from wanflow.batch.contact_sheet import write_sheet
from wanflow.batch.engine import engine_of
from wanflow.batch.identity import alone, identify
from wanflow.batch.input import RowParser, make_job
from wanflow.batch.models import (
    DEFAULT_IN_FLIGHT,
    BatchOptions,
    JobSpec,
    RowError,
    StopSignal,
    named,
    plan,
)
from wanflow.batch.report import Report, write_pages, write_report
from wanflow.batch.steps import Steps
from wanflow.ledger.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike
    from typing import Any

    from wanflow._core.effects import Flow
    from wanflow.batch.models import PlannedJob
    from wanflow.batch.steps import Work


def run_batch(
    work: Work, given: Iterable[Mapping[str, Any] | JobSpec | RowError], terms: BatchOptions
) -> Flow[Report]:
    """Check every line, do every job, and leave a report and a contact sheet in the folder.

    Raises:
        InvalidBatch: a line is wrong; all that is wrong is listed, and nothing was sent.
        ConfigurationError: there is no ledger, the folder can't be written, or another process
            does its batch under a ceiling.
        LedgerError: the ledger can't be read.
    """
    ledger = work.recording.recorder
    if not isinstance(ledger, Ledger):
        raise errors.ConfigurationError("a batch needs a ledger: Client(ledger=Ledger(path))")
    start = (yield from read_clock()).monotonic
    jobs = yield from run_blocking(lambda: plan(work, ledger, _lines(work, given)))
    _warn_of_deprecated(jobs)
    yield from run_blocking(lambda: check_writable(terms.folder))
    jobs = yield from run_blocking(
        lambda: named(jobs, _batch_of(terms.folder, ledger, jobs), ledger)
    )
    # What has no connection to be sent on need not be begun.
    submissions = min(terms.submissions, work.connections)
    engine = engine_of(Steps(work, ledger, evolve(terms, submissions=submissions)))
    with alone(terms.folder, wanted=terms.max_credits is not None):
        yield from engine.run(jobs)
    report = Report(
        Path(terms.folder),
        tuple(sorted(engine.results.outcomes, key=lambda outcome: outcome.planned.line)),
        round(engine.prices.spent, 2),
        (yield from read_clock()).monotonic - start,
        engine.stop_reason,
    )
    return (yield from run_blocking(lambda: write_pages(report, write_report, write_sheet)))


def _warn_of_deprecated(jobs: Sequence[PlannedJob]) -> None:
    """Say once for the whole batch what of its jobs the spec will remove."""
    sentences = dict.fromkeys(sentence for job in jobs for sentence in job.deprecated)
    if sentences:
        warn("; ".join(sentences), DeprecationWarning)


def _batch_of(folder: Path, ledger: Ledger, jobs: Sequence[PlannedJob]) -> bytes:
    """Return the name of a folder's batch."""

    def known(batch: bytes) -> int:
        return len(
            ledger.attempts(job.name for job in named(jobs, batch, ledger) if job.key is None)
        )

    return identify(folder, ledger.folders, known)


def make_options(
    output_dir: str | PathLike[str],
    timeout: float,
    *,
    max_concurrency: int | None,
    stop: StopSignal | None,
    **more: Any,
) -> BatchOptions:
    """Make terms of a user's arguments.

    Raises:
        ConfigurationError: a number is out of range.
    """
    try:
        return BatchOptions(
            Path(output_dir),
            timeout,
            max_concurrency=max_concurrency or DEFAULT_IN_FLIGHT,
            stop=stop or StopSignal(),
            **more,
        )
    except ValueError as error:
        raise errors.ConfigurationError(str(error.args[0])) from None


def _lines(work: Work, given: object) -> Iterator[JobSpec | RowError]:
    """Number jobs that are no lines yet; each may have a `key` beside its parameters.

    Raises:
        InvalidRequest: it is one job, or something else that isn't many.
    """
    kind: type[object] = type(given)
    if issubclass(kind, str | bytes | Mapping) or not issubclass(kind, Iterable):
        raise errors.InvalidRequest(f"a batch is a list of jobs (got {kind.__name__})")
    form = RowParser(work.catalog)
    for number, job in enumerate(cast("Iterable[object]", given), 1):
        if isinstance(job, JobSpec | RowError):
            yield job
        elif isinstance(job, Mapping):
            yield make_job(number, cast("Mapping[str, Any]", job), form)
        else:
            yield RowError(number, f"a job is a dict of parameters (got {type(job).__name__})")
