"""The fenced writes of a job: each asks for the step that it was given, and makes the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.ledger.job import FINAL_STATES, JobState
from wanflow.queue import ceiling
from wanflow.queue.engine import SCHEMA, NextStep, StepKind
from wanflow.queue.work import IN_FLIGHT, NOW

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wanflow.queue.work import Work
    from wanflow.queue.writes import Transaction

JOB = f"{SCHEMA}.job"
_FINAL = frozenset(str(state) for state in FINAL_STATES)


CANCELED = f"""step = job.step + 1, state = '{JobState.REJECTED}', reason = 'canceled',
    holder = NULL, ended = {NOW}"""
"""What is set of a planned job whose batch was canceled, in SQL."""
# Whatever its next step would be, its number is no longer the job's.
_END_CANCELED = f"""
    WITH canceled AS (
        SELECT job.id, job.state FROM {JOB} AS job JOIN {SCHEMA}.batch AS batch
        ON batch.id = job.batch WHERE job.id = %s AND job.intended <= batch.canceled
    ), ended AS (
        UPDATE {JOB} AS job SET {CANCELED} FROM canceled
        WHERE job.id = canceled.id AND canceled.state = 'planned'
    )
    UPDATE {JOB} AS job SET step = job.step + 1 FROM canceled
    WHERE job.id = canceled.id AND canceled.state = 'uncertain'
"""  # noqa: S608


class StepLost(ceiling.NotNow):
    """The step is no longer the job's, or its batch was halted: it does nothing."""


@frozen
class Following:
    """The step that follows: what it does, in how many seconds, and before which others.

    `notified_delay` is the delay where a callback came during this step; None for the same.
    """

    kind: StepKind
    delay: float = 0.0
    priority: int = 0
    notified_delay: float | None = None


@frozen
class Fence:
    """What a write asks of a job: one of some states, and its step or the token of its intent.

    `other_than` is a token that its last intent must not have.
    """

    job: int
    states: frozenset[JobState]
    step: int | None = None
    token: int | None = None
    other_than: int | None = None


@frozen
class Moved:
    """A job that was changed: its new step, and what it had reserved before and has now.

    None is nothing: its batch has no credit limit. `notified` is whether a callback came meanwhile.
    """

    step: int
    server: int
    batch: int | None
    before: float | None = None
    reserved: float | None = None
    notified: bool = False


def move(
    transaction: Transaction,
    fence: Fence,
    values: Mapping[str, Any],
    following: Following | None = None,
    *,
    row: int | None = None,
) -> Moved | None:
    """Change a job, count its step, and enqueue the next; None if the fence holds the write back.

    Either way the queue row of this step, `row`, is removed: its step is over.
    """
    if row is not None:
        transaction.finished.append(row)
    if values.get("state") in _FINAL:
        values = {**values, "holder": None}
    found = transaction.connection.execute(_update(values), [*values.values(), *_asked(fence)])
    changed = found.fetchone()
    if changed is None:
        return None
    moved = Moved(*changed)
    if following is not None:
        enqueue(transaction, fence.job, moved, following)
    if moved.before is not None and "reserved" in values:
        ceiling.settle(transaction.connection, moved.batch, fence.job, moved.before, moved.reserved)
    return moved


def enqueue(transaction: Transaction, job: int, moved: Moved, following: Following) -> None:
    """Enqueue the step that follows."""
    delay, early = following.delay, following.notified_delay
    if moved.notified and early is not None:
        delay = early
    transaction.steps.append(
        NextStep(following.kind, moved.server, job, moved.step, delay, following.priority)
    )


def _asked(fence: Fence) -> list[Any]:
    states = [str(state) for state in fence.states]
    optional = (fence.step, fence.token, fence.other_than)
    return [fence.job, states, *(value for one in optional for value in (one, one))]


# Servers may call a model by another name: the one that was asked for is kept. Each submission that
# may have been accepted counts, where there is a limit.
_EXPRESSIONS = {
    "model": "coalesce(job.model, %s)",
    "reserved": "CASE WHEN old.reserved IS NOT NULL THEN %s::float8 * job.sends END",
}


def _update(values: Iterable[str]) -> bytes:
    pairs = "".join(f", {name} = {_EXPRESSIONS.get(name, '%s')}" for name in values)
    return f"""
        UPDATE {JOB} AS job SET step = job.step + 1, notified = false{pairs}
        FROM (
            SELECT id, reserved, notified FROM {JOB}
            WHERE id = %s AND state = ANY(%s) AND (step = %s OR %s::integer IS NULL)
                AND (token = %s OR %s::bigint IS NULL)
                AND (token IS DISTINCT FROM %s OR %s::bigint IS NULL)
            FOR UPDATE
        ) AS old
        WHERE job.id = old.id
        RETURNING job.step, job.server, job.batch, old.reserved, job.reserved, old.notified
    """.encode()  # noqa: S608 - our own names


# Steps are taken ahead of their turn. A limit that was given since: the job is sent with its next
# step. A batch that was halted since: no job of it is sent.
_ALLOWED = f"""NOT EXISTS (
        SELECT FROM {SCHEMA}.batch WHERE id = job.batch
            AND (halted IS NOT NULL OR max_credits IS NOT NULL AND %s::float8 IS NULL)
    )"""
_INTEND = f"""
    UPDATE {JOB} AS job SET
        state = 'intent', intended = {NOW}, token = %s, sending_until = {NOW} + %s, reserved = %s
    WHERE id = %s AND step = %s AND state = 'planned' AND {_ALLOWED}
    RETURNING step
"""  # noqa: S608
# A resend has a step of its own, so that no other worker sends it, too. Its state stays uncertain:
# whatever becomes of it says nothing of the first submission. One is in flight at a time.
_INTEND_AGAIN = f"""
    UPDATE {JOB} AS job SET step = step + 1, sends = sends + 1, resend = false, token = %s,
        sending_until = {NOW} + %s, reserved = coalesce(reserved + %s, reserved)
    WHERE id = %s AND step = %s AND state = 'uncertain' AND {_ALLOWED}
        AND (resend OR intended BETWEEN {NOW} - %s AND {NOW}) AND NOT {IN_FLIGHT}
    RETURNING step
"""  # noqa: S608


def intend(transaction: Transaction, work: Work, token: int, sending: float, window: float) -> None:
    """Record that a job is sent now, by this worker alone; `token` names this intent.

    The request ends within `sending` seconds. An uncertain job is sent again at the user's request,
    or, where its batch says so, within `window` seconds from its first intent: a server may forget
    its key later. An intent in the future shows that the clock was set back: its age is unknown.

    Raises:
        StepLost: another worker sends it, or it may not be sent.
        PriceUnknown: it may be sent later.
        CreditLimitExceeded: the credits of its batch don't allow it.
    """
    connection = transaction.connection
    again = work.state is JobState.UNCERTAIN
    made = None
    if work.max_credits is not None:
        query = f"SELECT 1 FROM {JOB} WHERE id = %s AND step = %s AND state = %s FOR UPDATE"  # noqa: S608
        if not connection.execute(query, [work.id, work.step, str(work.state)]).fetchone():
            raise _lost(work)
        made = ceiling.reserve(connection, work)
    reserved = made.credits if made else None
    values: list[Any] = [token, sending, reserved, work.id, work.step, reserved]
    query = _INTEND_AGAIN if again else _INTEND
    found = connection.execute(
        query, [*values, window * work.resubmit] if again else values
    ).fetchone()
    if found is None:
        if made is not None:
            ceiling.release(connection, work, made)
        raise _lost(work)


def _lost(work: Work) -> StepLost:
    return StepLost(f"job {work.id} has another step, or its batch is halted: not sent here")


def end_canceled(transaction: Transaction, job: int) -> None:
    """Send a job no more by itself if its batch was canceled while it was being sent."""
    transaction.connection.execute(_END_CANCELED.encode(), [job])


def halt(transaction: Transaction, batch: int, reason: str) -> None:
    """Let no worker submit a job of a batch any more; the first reason stays."""
    transaction.connection.execute(
        f"UPDATE {SCHEMA}.batch SET halted = %s WHERE id = %s AND halted IS NULL",  # noqa: S608
        [reason, batch],
    )
