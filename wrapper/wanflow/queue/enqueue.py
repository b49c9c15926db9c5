"""Enqueue a batch: planned jobs and their queue rows, in one transaction."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen
from psycopg.rows import dict_row

from wanflow._core.arguments import new_idempotency_key, validate_max_credits
from wanflow._core.effects import run_blocking
from wanflow._core.prices import price_class
from wanflow._flows.operations import parse_output_dir
from wanflow._text import is_encodable
from wanflow.batch.models import RowError
from wanflow.batch.plan import invalid_batch, with_names
from wanflow.batch.run import check_jobs
from wanflow.errors import ConfigurationError
from wanflow.ledger.deduplication import request_digest
from wanflow.ledger.postgres.owner import QUEUE_OWNER
from wanflow.ledger.rows import path_to_text
from wanflow.queue import ceiling, schema, sweeper
from wanflow.queue.engine import SCHEMA, Engine, NextStep, StepKind
from wanflow.queue.work import NOW

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from os import PathLike
    from pathlib import Path

    from psycopg import Connection

    from wanflow._core.effects import Flow
    from wanflow._flows.operations import Operations
    from wanflow.batch.models import JobSpec, PlannedJob
    from wanflow.ledger.job import Job

_CHUNK = 5_000
_MAX_NAME = 500
_COLUMNS = ("key", "name", "digest", "model", "body", "price_class", "line")
_ADD_PLACES = f"""
    INSERT INTO {SCHEMA}.place (text) SELECT DISTINCT unnest(%s::text[]) ON CONFLICT DO NOTHING
"""
_ADD_BATCH = f"""
    INSERT INTO {SCHEMA}.batch AS batch (name, server, folder, max_credits, resubmit, created)
    VALUES (%s, %s, %s, %s, %s, {NOW})
    ON CONFLICT (name) DO UPDATE SET
        max_credits = excluded.max_credits, resubmit = excluded.resubmit, halted = NULL,
        reserved = batch.reserved + %s
    RETURNING id, server, folder
"""  # noqa: S608 - our own names
_STAGE = """
    CREATE TEMPORARY TABLE wanflow_staged (
        key text, name text, digest bytea, model text, body text, price_class bigint, line integer
    ) ON COMMIT DROP
"""
_ADD_JOBS = f"""
    INSERT INTO {SCHEMA}.job (server, folder, batch, state, intended, step, attempt, abridged,
        holder, {", ".join(_COLUMNS)})
    SELECT %s, %s, %s, 'planned', {NOW}, 1, 1, 0,
        (SELECT id FROM {SCHEMA}.holder WHERE token = '{QUEUE_OWNER}'), {", ".join(_COLUMNS)}
    FROM wanflow_staged
    ON CONFLICT DO NOTHING
    RETURNING id, step
"""  # noqa: S608 - our own names
_RECORDED = f"""
    SELECT job.id, job.name, job.key, job.digest, job.batch FROM {SCHEMA}.job AS job
    JOIN wanflow_staged AS staged ON staged.name = job.name WHERE job.attempt = 1
"""  # noqa: S608


@frozen
class EnqueueOptions:
    """The options of a batch in a queue; `name` is by default made of where its files go."""

    queue: str = field(repr=False)
    out: Path
    name: str
    max_credits: float | None = None
    resubmit_uncertain: bool = False


@frozen
class EnqueuedBatch:
    """A batch in a queue: its number in the database, and its jobs by their recorded names."""

    id: int
    options: EnqueueOptions
    jobs: Mapping[str, PlannedJob] = field(repr=False)
    added: int = 0


def make_options(
    queue: str,
    out: str | PathLike[str],
    name: str | None,
    max_credits: float | None,
    *,
    resubmit_uncertain: bool,
) -> EnqueueOptions:
    """Make the options from the caller's arguments.

    Raises:
        ConfigurationError: one of them is invalid.
    """
    folder = parse_output_dir(out).absolute()
    chosen = str(folder) if name is None else name
    if not chosen.isprintable() or not 0 < len(chosen.strip()) <= _MAX_NAME:
        raise ConfigurationError(
            f"the name of a batch is a text of 1 to {_MAX_NAME} printable characters "
            f"(got {chosen!a})"
        )
    limit = validate_max_credits(max_credits)
    return EnqueueOptions(queue, folder, chosen, limit, resubmit_uncertain)


class _NoJobs:
    """What is recorded is compared in the transaction that adds the jobs."""

    def find_by_name(self, name: str) -> list[Job]:
        """Return nothing."""
        del name
        return []

    def attempts(self, names: Iterable[str]) -> dict[str, list[Job]]:
        """Return nothing."""
        del names
        return {}


def enqueue(
    operations: Operations,
    jobs: Iterable[Mapping[str, Any] | JobSpec | RowError],
    options: EnqueueOptions,
) -> Flow[EnqueuedBatch]:
    """Check every line, and enqueue all jobs or none.

    Jobs that the batch has already stay as they are, so the same batch may be enqueued again, and
    by several machines at the same time.

    Raises:
        InvalidBatch: some lines are invalid, or a key was used for another request.
        ConfigurationError: the database has no queue, or the batch is another one's.
        LedgerError: the database can't be reached.
    """
    planned = yield from check_jobs(operations, _NoJobs(), jobs)
    _refuse_files(planned)
    named = {job.name: job for job in _with_names(planned, options.name)}
    return (yield from run_blocking(lambda: _store(operations, named, options)))


def _refuse_files(jobs: Sequence[PlannedJob]) -> None:
    problems = [
        RowError(job.line, "local files can't be enqueued: upload them, and use their URLs")
        for job in jobs
        if job.files
    ]
    if problems:
        raise invalid_batch(problems)


def _with_names(jobs: Sequence[PlannedJob], batch: str) -> Iterator[PlannedJob]:
    """Name the jobs: keys are the user's own within a batch, and mean nothing in another one.

    The last slash divides a name, so that no two batches have the same ones.
    """
    for job in with_names(jobs, batch.encode(), _NoJobs()):
        if job.key is None:
            yield job
        else:
            key = job.key.strip().replace("%", "%25").replace("/", "%2F")
            yield evolve(job, name=f"{batch}/{key}")


def _store(
    operations: Operations, jobs: Mapping[str, PlannedJob], options: EnqueueOptions
) -> EnqueuedBatch:
    with schema.open_queue(options.queue) as database:
        schema.require_workable(database)
        engine = Engine()
        batch, added = database.transact(
            lambda connection: _add(operations, connection, engine, jobs, options)
        )
        if added < len(jobs):
            # Jobs of an earlier run may have been left without a row when the batch was halted.
            sweeper.sweep(database, engine)
        return EnqueuedBatch(batch, options, jobs, added)


def _add(
    operations: Operations,
    connection: Connection[Any],
    engine: Engine,
    jobs: Mapping[str, PlannedJob],
    options: EnqueueOptions,
) -> tuple[int, int]:
    """Add the batch and its jobs; return the batch's number, and how many jobs are new."""
    # A large batch is prepared and compared between two statements.
    connection.execute("SET LOCAL idle_in_transaction_session_timeout = '1h'")
    classes = {name: price_class(operations.catalog, job.body) for name, job in jobs.items()}
    server = operations.recording.server
    places = _places(connection, {server, path_to_text(options.out), *classes.values()})
    # Another machine that enqueues the same batch waits here for the end of this transaction.
    batch = _add_batch(connection, options, places[server], places[path_to_text(options.out)])
    connection.execute(_STAGE)
    copy = f"COPY wanflow_staged ({', '.join(_COLUMNS)}) FROM STDIN"
    with connection.cursor().copy(copy.encode()) as target:
        for name, job in jobs.items():
            key = new_idempotency_key()
            digest = request_digest(key, job.content)
            place = places[classes[name]]
            target.write_row((key, name, digest, job.model, _json(job.body), place, job.line))
    values = [places[server], places[path_to_text(options.out)], batch]
    added = connection.execute(_ADD_JOBS, values).fetchall()
    if len(added) < len(jobs):
        _check_recorded(connection, jobs, batch)
    for start in range(0, len(added), _CHUNK):
        steps = [
            NextStep(StepKind.SUBMIT, places[server], job, step)
            for job, step in added[start : start + _CHUNK]
        ]
        engine.put(connection, steps)
    return batch, len(added)


def _places(connection: Connection[Any], texts: set[str]) -> dict[str, int]:
    """Return the numbers of some texts, which are added if needed."""
    wanted = sorted(texts)
    connection.execute(_ADD_PLACES, [wanted])
    query = f"SELECT text, id FROM {SCHEMA}.place WHERE text = ANY(%s)"  # noqa: S608
    return dict(connection.execute(query, [wanted]).fetchall())


def _add_batch(
    connection: Connection[Any], options: EnqueueOptions, server: int, folder: int
) -> int:
    values = [options.name, server, folder, options.max_credits, options.resubmit_uncertain]
    # Jobs first, then the batch: the order in which workers lock them.
    before = 0.0
    if options.max_credits is not None:
        before = ceiling.count_unreserved(connection, options.name)
    found = connection.execute(_ADD_BATCH, [*values, before]).fetchone()
    assert found is not None
    number, known_server, known_folder = found
    if (known_server, known_folder) != (server, folder):
        what = "server" if known_server != server else "folder"
        raise ConfigurationError(
            f"the batch {options.name!r} is in the queue with another {what}: choose another name"
        )
    return int(number)


def _check_recorded(
    connection: Connection[Any], jobs: Mapping[str, PlannedJob], batch: int
) -> None:
    """Compare the jobs that were recorded before with those of the same names.

    Raises:
        InvalidBatch: a key was used for another request, or a job isn't one of the batch.
    """
    problems: list[RowError] = []
    cursor = connection.cursor(row_factory=dict_row)
    for found in cursor.execute(_RECORDED):
        job = jobs[found["name"]]
        digest = request_digest(found["key"] or "", job.content)
        if found["batch"] != batch:
            text = f"it is job {found['id']}, which another batch or none has: choose another name"
            problems.append(RowError(job.line, text))
        elif bytes(found["digest"] or b"") != digest:
            text = f"key {job.key!r} was already used for another request (job {found['id']})"
            problems.append(RowError(job.line, text))
    if problems:
        raise invalid_batch(problems)


def _json(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return text if is_encodable(text) else json.dumps(body, separators=(",", ":"))
