"""Keeps the queue complete: every open job of the ledger has a row for its step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow.queue.engine import QUEUE, SCHEMA, NextStep, StepKind
from wanflow.queue.work import NOW

if TYPE_CHECKING:
    from psycopg import Connection

    from wanflow.queue.database import Database
    from wanflow.queue.engine import Engine

SWEEP_INTERVAL = 15.0
_LOCK = 0x77667377
_MAX_ROWS = 5_000
_KINDS = {
    "planned": StepKind.SUBMIT,
    "intent": StepKind.RESOLVE,
    "accepted": StepKind.POLL,
    "completed": StepKind.DOWNLOAD,
    "uncertain": StepKind.SUBMIT,
}
# Uncertain jobs have no step of their own, until their user has them sent again.
_MISSING = f"""
    SELECT job.state, job.server, job.id, job.step, greatest(0, job.sending_until - {NOW})
    FROM {SCHEMA}.job AS job JOIN {SCHEMA}.batch AS batch ON batch.id = job.batch
    WHERE (job.state IN ('planned', 'intent', 'accepted', 'completed')
            OR job.state = 'uncertain' AND job.resend) AND job.parked IS NULL
        AND NOT (job.state IN ('planned', 'uncertain') AND batch.halted IS NOT NULL)
        AND NOT EXISTS (
            SELECT FROM {QUEUE} AS queued
            WHERE queued.dedupe_key = job.id || ':' || job.step
                AND queued.status IN ('queued', 'picked') AND queued.dedupe_key IS NOT NULL
        )
    LIMIT {_MAX_ROWS}
"""  # noqa: S608 - our own names


def sweep(database: Database, engine: Engine) -> int:
    """Enqueue the steps that have no row, and return how many; 0 while another worker does it.

    Raises:
        LedgerError: the database can't be reached.
    """
    done = 0
    while True:
        with database.transaction() as connection:
            if not _is_first(connection):
                return done
            steps = [_step(*row) for row in connection.execute(_MISSING.encode()).fetchall()]
            engine.put(connection, steps)
        done += len(steps)
        if len(steps) < _MAX_ROWS:
            return done


def _is_first(connection: Connection[Any]) -> bool:
    found = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK]).fetchone()
    return found is not None and bool(found[0])


def _step(state: str, server: int, job: int, step: int, left: float | None) -> NextStep:
    delay = (left or 0.0) if state == "intent" else 0.0
    return NextStep(_KINDS[state], server, job, step, delay)
