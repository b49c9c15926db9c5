"""The credit limit of a batch, for all workers: reserved in the transaction of the intent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.batch.cost_limit import Decision
from wanflow.errors import CreditLimitExceeded
from wanflow.ledger.job import JobState
from wanflow.queue.engine import SCHEMA
from wanflow.queue.work import IN_FLIGHT

if TYPE_CHECKING:
    from psycopg import Connection

    from wanflow.queue.work import Work

_ROUNDING = 1e-9
# Whether a price may become known without its user: an uncertain job has one who sends it again.
_PRICE_COMES = f"""
    SELECT 1 FROM {SCHEMA}.job AS job WHERE id = %s AND parked IS NULL
        AND (state IN ('intent', 'accepted', 'completed')
            OR state = 'uncertain' AND (resend OR {IN_FLIGHT}))
"""  # noqa: S608 - our own names
_PRICE = f"""
    SELECT max(price) FROM {SCHEMA}.job
    WHERE server = %s AND model = %s AND price_class = %s
        AND price IS NOT NULL AND price_class IS NOT NULL
"""  # noqa: S608 - our own names
_HIGHEST = f"SELECT max(price) FROM {SCHEMA}.job WHERE batch = %s"  # noqa: S608
_RESERVE = f"UPDATE {SCHEMA}.batch SET reserved = reserved + %s, unpriced = %s WHERE id = %s"  # noqa: S608
# Credits that come back may let more jobs be sent.
_SETTLE = f"""
    UPDATE {SCHEMA}.batch SET
        reserved = greatest(0, reserved + %(new)s - %(old)s),
        unpriced = CASE WHEN unpriced = %(job)s AND %(known)s THEN NULL ELSE unpriced END,
        halted = CASE WHEN halted = %(stop)s AND %(new)s < %(old)s - %(rounding)s
            OR halted = %(unknown)s AND unpriced = %(job)s AND %(known)s
            THEN NULL ELSE halted END
    WHERE id = %(batch)s
"""  # noqa: S608
HIGHEST_PRICE = f"""(
    SELECT max(other.price) FROM {SCHEMA}.job AS other
    WHERE other.server = job.server AND other.model = job.model
        AND other.price_class = job.price_class
        AND other.price IS NOT NULL AND other.price_class IS NOT NULL
)"""  # noqa: S608
"""The highest price that the settings of `job` ever had, in SQL."""
# What was sent while the batch had no limit counts with what it costs or may cost.
_COUNT = f"""
    WITH counted AS (
        UPDATE {SCHEMA}.job AS job SET
            reserved = job.sends * coalesce(job.credits, {HIGHEST_PRICE}, 0)
        FROM {SCHEMA}.batch AS batch
        WHERE batch.name = %s AND job.batch = batch.id AND job.reserved IS NULL
            AND job.state NOT IN ('{JobState.PLANNED}', '{JobState.REJECTED}')
        RETURNING job.reserved
    )
    SELECT coalesce(sum(reserved), 0) FROM counted
"""  # noqa: S608


class NotNow(Exception):
    """A job isn't sent by this step. That is no failure, and isn't logged as one."""


class PriceUnknown(NotNow):
    """The price of another job isn't known yet: until it is, no job of unknown price is sent."""


@frozen
class Reservation:
    """The credits that a job reserved, and the job of unknown price that was in flight before."""

    credits: float
    unpriced: int | None


def reserve(connection: Connection[Any], work: Work) -> Reservation:
    """Reserve the credits of a job that is about to be sent.

    The price is the highest that its settings ever had. Of the jobs of unknown price only one is
    in flight, counted with the highest price of the batch.

    Raises:
        CreditLimitExceeded: the limit doesn't allow it.
        PriceUnknown: it may be allowed later.
    """
    query = f"SELECT max_credits, reserved, unpriced FROM {SCHEMA}.batch WHERE id = %s FOR UPDATE"  # noqa: S608
    found = connection.execute(query, [work.batch]).fetchone()
    assert found is not None
    limit, reserved, unpriced = found
    values = [work.server, work.model, work.price_class]
    price = _number(connection, _PRICE, values)
    known = price is not None
    if price is None:
        if unpriced not in {None, work.id}:
            raise _unknown(connection, unpriced, limit)
        price = _number(connection, _HIGHEST, [work.batch]) or 0.0
    needed = price if known else max(price, 2 * _ROUNDING)
    if limit is not None and reserved + needed > limit + _ROUNDING:
        raise CreditLimitExceeded(Decision.STOP.value, max_credits=limit)
    connection.execute(_RESERVE, [price, unpriced if known else work.id, work.batch])
    return Reservation(price, unpriced)


def count_unreserved(connection: Connection[Any], batch: str) -> float:
    """Reserve what a batch's jobs cost that were sent without a limit; return the credits."""
    return _number(connection, _COUNT, [batch]) or 0.0


def release(connection: Connection[Any], work: Work, made: Reservation) -> None:
    """Undo a reservation in the transaction that made it."""
    connection.execute(_RESERVE, [-made.credits, made.unpriced, work.batch])


def settle(
    connection: Connection[Any],
    batch: int | None,
    job: int,
    old: float,
    new: float | None,
    *,
    known: bool = True,
) -> None:
    """Replace what a job had reserved by what it costs; None where it costs nothing any more.

    A job of unknown price whose price is `known` now, or that was not accepted, leaves its place to
    another one.
    """
    values = {
        "batch": batch,
        "job": job,
        "old": old,
        "new": new or 0.0,
        "known": known,
        "stop": Decision.STOP.value,
        "unknown": Decision.UNKNOWN_PRICE.value,
        "rounding": _ROUNDING,
    }
    connection.execute(_SETTLE, values)


def _unknown(connection: Connection[Any], job: int, limit: float) -> Exception:
    if connection.execute(_PRICE_COMES, [job]).fetchone() is not None:
        return PriceUnknown(Decision.WAIT.value)
    return CreditLimitExceeded(Decision.UNKNOWN_PRICE.value, max_credits=limit)


def _number(connection: Connection[Any], query: str, values: list[Any]) -> float | None:
    found = connection.execute(query.encode(), values).fetchone()
    return None if found is None else found[0]
