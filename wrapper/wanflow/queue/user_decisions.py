"""What a user decides about an uncertain job of a queue: its task, or that it isn't sent again."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from wanflow._core.arguments import validate_documented_id
from wanflow.errors import InvalidRequest
from wanflow.ledger.job import MISSING_STATES, JobState
from wanflow.ledger.postgres.owner import QUEUE_OWNER, lock_number
from wanflow.ledger.user_decisions import discarded, given_task, not_uncertain, task_taken
from wanflow.queue import ceiling
from wanflow.queue.engine import SCHEMA, NextStep, StepKind
from wanflow.queue.work import NOW

if TYPE_CHECKING:
    from psycopg import Connection

    from wanflow.queue.database import Database
    from wanflow.queue.engine import Engine

_MISSING = ", ".join(f"'{state}'" for state in sorted(MISSING_STATES))
_JOB = f"""
    SELECT state, reason, server, key IS NOT NULL AND (
        state = 'uncertain' OR (status IS NULL AND state = 'accepted')
        OR (coalesce(status, '') = '' AND state IN ({_MISSING})))
    FROM {SCHEMA}.job WHERE id = %s AND batch IS NOT NULL FOR UPDATE
"""  # noqa: S608 - our own names
_UNPRICED = f"""
    SELECT FROM {SCHEMA}.job WHERE id = %s AND task = %s AND credits IS NULL AND key IS NOT NULL
        AND batch IS NOT NULL FOR UPDATE
"""
_OTHER = f"SELECT id FROM {SCHEMA}.job WHERE server = %s AND task = %s AND id <> %s"  # noqa: S608
# The name of the lock that a ledger takes, too.
_LOCK = f"SELECT 'task ' || text || ' ' || %s FROM {SCHEMA}.place WHERE id = %s"  # noqa: S608
# What a worker does meanwhile has an old number, and a retry that waits in the queue, too.
_DECIDE = f"""
    UPDATE {SCHEMA}.job SET step = step + 1, tries = 0, parked = NULL, resend = false,
        schedule = NULL, uploads = NULL, state = %(state)s, task = %(task_id)s,
        reason = %(reason)s, accepted = CASE WHEN %(open)s THEN {NOW} END,
        ended = CASE WHEN NOT %(open)s THEN {NOW} END,
        holder = (SELECT id FROM {SCHEMA}.holder WHERE %(open)s AND token = '{QUEUE_OWNER}')
    WHERE id = %(job)s RETURNING step
"""  # noqa: S608

_CHARGE = f"""
    UPDATE {SCHEMA}.job AS job SET credits = %(credits)s::float8 / job.sends,
        reserved = CASE WHEN old.reserved IS NOT NULL THEN %(credits)s::float8 END
    FROM (SELECT id, reserved FROM {SCHEMA}.job WHERE id = %(job)s) AS old
    WHERE job.id = old.id RETURNING job.batch, old.reserved
"""  # noqa: S608


def resolve(
    database: Database, engine: Engine, job: int, task_id: str, cost: float | None = None
) -> None:
    """Record the task of an uncertain job, and let workers poll it.

    `cost` is as in `discard`: polls show no price. A job that has the task can be given it, too.

    Raises:
        InvalidRequest: the id isn't that of a task or belongs to another job, or the job isn't
            uncertain, or the cost is no number of 0 or more.
    """
    validate_documented_id(task_id)
    _validate_cost(cost)

    def write(connection: Connection[Any]) -> None:
        if cost is None or not _lacks_price(connection, job, task_id):
            decide(connection)
        if cost is not None:
            _charge(connection, job, cost)

    def decide(connection: Connection[Any]) -> None:
        _, server = _undecided(connection, job)
        (lock,) = connection.execute(_LOCK, [task_id, server]).fetchone() or ("",)
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [lock_number(lock)])
        other = connection.execute(_OTHER, [server, task_id, job]).fetchone()
        if other is not None:
            raise task_taken(task_id, other[0])
        step = _decide(connection, job, given_task(task_id))
        engine.put(connection, [NextStep(StepKind.POLL, server, job, step)])

    database.transact(write)


def discard(database: Database, job: int, cost: float | None = None) -> None:
    """End an uncertain job: it is never sent again, and what it may have cost stays reserved.

    Where nobody knows what that is, `cost` says what it is at most, in credits: a batch with a
    limit sends no other job of unknown price before. A discarded job can be given it, too.

    Raises:
        InvalidRequest: the job isn't uncertain, or the cost is no number of 0 or more.
    """
    _validate_cost(cost)

    def write(connection: Connection[Any]) -> None:
        if cost is None or not _is_discarded(connection, job):
            reason, _ = _undecided(connection, job)
            _decide(connection, job, discarded(reason))
        if cost is not None:
            _charge(connection, job, cost)

    database.transact(write)


def _validate_cost(cost: float | None) -> None:
    if cost is not None and not (isfinite(cost) and cost >= 0):
        raise InvalidRequest(f"the credits of a job are a number of 0 or more, not {cost}")


def _lacks_price(connection: Connection[Any], job: int, task_id: str) -> bool:
    """Return whether a job has a task whose price the API didn't show; lock it."""
    return connection.execute(_UNPRICED, [job, task_id]).fetchone() is not None


def _is_discarded(connection: Connection[Any], job: int) -> bool:
    found = connection.execute(_JOB.encode(), [job]).fetchone()
    return found is not None and found[0] == JobState.DISCARDED


def _charge(connection: Connection[Any], job: int, cost: float) -> None:
    found = connection.execute(_CHARGE, {"job": job, "credits": cost}).fetchone()
    assert found is not None
    batch, before = found
    if before is not None:
        ceiling.settle(connection, batch, job, before, cost)


def _undecided(connection: Connection[Any], job: int) -> tuple[str | None, int]:
    """Lock a job that its user decides about; return why it is uncertain, and its server."""
    found = connection.execute(_JOB.encode(), [job]).fetchone()
    if found is None:
        raise InvalidRequest(f"the queue has no job {job}; see wanflow queue uncertain")
    state, reason, server, undecided = found
    if not undecided:
        raise not_uncertain(job, state)
    return reason, server


def _decide(connection: Connection[Any], job: int, fields: dict[str, Any]) -> int:
    still_open = fields["state"] is JobState.ACCEPTED
    values = {**fields, "state": str(fields["state"]), "open": still_open, "job": job}
    found = connection.execute(_DECIDE, values).fetchone()
    assert found is not None
    step: int = found[0]
    return step
