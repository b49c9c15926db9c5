"""What people ask of a queue, and decide: uncertain and parked jobs, retry and cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen
from psycopg.rows import dict_row

from wanflow.batch.total import NOTHING, Total
from wanflow.errors import InvalidRequest
from wanflow.ledger.job import JobState
from wanflow.queue.engine import QUEUE, SCHEMA, Engine, NextStep, StepKind
from wanflow.queue.moves import CANCELED
from wanflow.queue.totals import TOTAL_COLUMNS, total_of
from wanflow.queue.work import IN_FLIGHT, NOW

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg import Connection

    from wanflow.queue.database import Database

_BATCHES = f"""
    SELECT batch.id, batch.name, batch.max_credits, batch.reserved, batch.halted,
        folder.text AS folder
    FROM {SCHEMA}.batch AS batch JOIN {SCHEMA}.place AS folder ON folder.id = batch.folder
    WHERE %(name)s::text IS NULL OR batch.name = %(name)s ORDER BY batch.id
"""  # noqa: S608 - our own names
_STATES = f"""
    SELECT batch, state, parked IS NOT NULL AS parked, count(*) AS jobs, {TOTAL_COLUMNS}
    FROM {SCHEMA}.job AS job WHERE batch = ANY(%s) GROUP BY 1, 2, 3
"""  # noqa: S608
_JOBS = f"""
    SELECT job.id, job.line, job.key, job.state, job.parked, job.reason, job.intended, job.sends,
        batch.name AS batch, {IN_FLIGHT} AS in_flight
    FROM {SCHEMA}.job AS job JOIN {SCHEMA}.batch AS batch ON batch.id = job.batch
    WHERE (%(name)s::text IS NULL OR batch.name = %(name)s)
        AND (job.state = 'uncertain' OR job.parked IS NOT NULL) ORDER BY job.id
"""  # noqa: S608
_RETRY = f"""
    UPDATE {SCHEMA}.job AS job SET
        step = job.step + 1, tries = 0, parked = NULL, resend = (job.state = 'uncertain')
    FROM {SCHEMA}.batch AS batch
    WHERE batch.id = job.batch AND (%(name)s::text IS NULL OR batch.name = %(name)s)
        AND (%(jobs)s::bigint[] IS NULL OR job.id = ANY(%(jobs)s))
        AND CASE WHEN job.state = 'uncertain' THEN %(uncertain)s AND NOT {IN_FLIGHT}
            ELSE job.parked IS NOT NULL END
    RETURNING job.id, job.step, job.server, job.state
"""  # noqa: S608
_GO_ON = f"""
    UPDATE {SCHEMA}.batch SET halted = NULL
    WHERE halted IS NOT NULL AND (%(name)s::text IS NULL OR name = %(name)s)
        AND (%(jobs)s::bigint[] IS NULL
            OR id IN (SELECT batch FROM {SCHEMA}.job WHERE id = ANY(%(jobs)s)))
"""  # noqa: S608
# A worker that is writing what came of a submission doesn't see that the batch is canceled: its job
# may become planned again. So what was being sent is locked, too, before planned jobs are searched.
_LOCK = f"""
    SELECT count(*) FROM (
        SELECT FROM {SCHEMA}.job AS job JOIN {SCHEMA}.batch AS batch ON batch.id = job.batch
        WHERE batch.name = %s AND job.state IN ('planned', 'intent', 'uncertain')
        ORDER BY job.id FOR UPDATE OF job
    ) AS locked
"""  # noqa: S608
_CANCEL = f"""
    UPDATE {SCHEMA}.job AS job SET {CANCELED}
    FROM {SCHEMA}.batch AS batch
    WHERE batch.id = job.batch AND batch.name = %s AND job.state = 'planned'
"""  # noqa: S608
_NOT_AGAIN = f"""
    UPDATE {SCHEMA}.job AS job SET step = job.step + 1, resend = false
    FROM {SCHEMA}.batch AS batch
    WHERE batch.id = job.batch AND batch.name = %s AND job.state = 'uncertain' AND NOT {IN_FLIGHT}
"""  # noqa: S608
# Last, so that whatever was sent before the jobs above were locked has an earlier time.
_REMEMBER = f"UPDATE {SCHEMA}.batch SET canceled = {NOW} WHERE name = %s"  # noqa: S608
_DEPTH = f"SELECT count(*), count(*) FILTER (WHERE execute_after < now()) FROM {QUEUE}"  # noqa: S608
_SENDING = "it is being sent again just now"
_KINDS = {
    JobState.PLANNED: StepKind.SUBMIT,
    JobState.UNCERTAIN: StepKind.SUBMIT,
    JobState.INTENT: StepKind.RESOLVE,
    JobState.ACCEPTED: StepKind.POLL,
    JobState.COMPLETED: StepKind.DOWNLOAD,
}


@frozen
class BatchStatus:
    """A batch of a queue: its jobs by state, `parked` those that wait for their user.

    `total` is what its jobs cost, with an estimate of those whose price isn't known.
    `reserved` is what its jobs cost or may cost, where there is a limit; `halted` is why none is
    sent any more, empty if they are.
    """

    name: str
    folder: str
    states: Mapping[JobState, int] = field(factory=dict[JobState, int])
    parked: int = 0
    total: Total = NOTHING
    max_credits: float | None = None
    reserved: float = 0.0
    halted: str = ""


@frozen
class QuestionableJob:
    """A job that its user decides about: it may have been accepted, or it is parked."""

    id: int
    batch: str
    line: int | None
    key: str
    state: JobState
    reason: str
    sent_at: float
    sends: int


def batches(database: Database, name: str | None = None) -> list[BatchStatus]:
    """Return the batches, or the one with a name.

    Raises:
        InvalidRequest: no batch has the name.
    """
    with database.connection() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        found = cursor.execute(_BATCHES, {"name": name}).fetchall()
        if not found and name is not None:
            raise _unknown(name)
        rows = cursor.execute(_STATES.encode(), [[one["id"] for one in found]]).fetchall()
    return [_status(one, [row for row in rows if row["batch"] == one["id"]]) for one in found]


def depth(database: Database) -> tuple[int, int]:
    """Return the number of queue rows, and of those that are due."""
    with database.connection() as connection:
        found = connection.execute(_DEPTH).fetchone()
    assert found is not None
    return found[0], found[1]


def questionable(database: Database, name: str | None = None) -> list[QuestionableJob]:
    """Return the uncertain and the parked jobs of all batches, or of one."""
    with database.connection() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        rows = cursor.execute(_JOBS, {"name": name}).fetchall()
    return [
        QuestionableJob(
            row["id"],
            row["batch"],
            row["line"],
            row["key"] or "",
            JobState(row["state"]),
            row["parked"] or (_SENDING if row["in_flight"] else row["reason"]) or "",
            row["intended"],
            row["sends"],
        )
        for row in rows
    ]


def retry(
    database: Database,
    engine: Engine,
    name: str | None = None,
    jobs: list[int] | None = None,
    *,
    uncertain: bool = False,
) -> int:
    """Let parked jobs and halted batches go on; return the number of jobs.

    With `uncertain`, uncertain submissions are sent again with their keys, which can charge twice.
    One that is being sent again just now is left alone.
    """
    values = {"name": name, "jobs": jobs, "uncertain": uncertain}

    def write(connection: Connection[Any]) -> int:
        _require(connection, name)
        rows = connection.execute(_RETRY, values).fetchall()
        connection.execute(_GO_ON, values)
        steps = [
            NextStep(_KINDS[JobState(state)], server, job, step)
            for job, step, server, state in rows
            if JobState(state) in _KINDS
        ]
        engine.put(connection, steps)
        return len(steps)

    return database.transact(write)


def cancel(database: Database, name: str) -> int:
    """Send no planned job of a batch any more; return how many there were.

    Jobs that were sent are paid for, and go on. One that is being sent just now, or was uncertain,
    isn't sent again by itself.
    """

    def write(connection: Connection[Any]) -> int:
        _require(connection, name)
        connection.execute(_LOCK.encode(), [name])
        count = connection.execute(_CANCEL.encode(), [name]).rowcount
        for query in (_NOT_AGAIN, _REMEMBER):
            connection.execute(query, [name])
        return count

    return database.transact(write)


def _require(connection: Connection[Any], name: str | None) -> None:
    query = f"SELECT 1 FROM {SCHEMA}.batch WHERE name = %s"  # noqa: S608 - our own name
    if name is not None and connection.execute(query, [name]).fetchone() is None:
        raise _unknown(name)


def _unknown(name: str) -> InvalidRequest:
    return InvalidRequest(f"the queue has no batch {name!r}; see wanflow queue status")


def _status(found: dict[str, Any], rows: list[dict[str, Any]]) -> BatchStatus:
    return BatchStatus(
        found["name"],
        found["folder"],
        {JobState(row["state"]): row["jobs"] for row in rows if not row["parked"]},
        sum(row["jobs"] for row in rows if row["parked"]),
        total_of(rows),
        found["max_credits"],
        found["reserved"],
        found["halted"] or "",
    )
