"""One step of one job: what a worker needs to know of the job, read when it takes the step."""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import field, frozen
from psycopg.rows import dict_row

from wanflow._core.effects import TimePoint
from wanflow.ledger.fields import truncated
from wanflow.ledger.job import JobState
from wanflow.queue.engine import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection

    from wanflow.queue.engine import QueueRow
    from wanflow.queue.metrics import Metrics

NOW = "extract(epoch FROM clock_timestamp())::float8"
"""The database's clock, in SQL: the only one that decides anything."""
IN_FLIGHT = f"coalesce(job.sending_until > {NOW}, false)"
"""Whether a request of `job` may still be in flight, in SQL. Its outcome clears the time."""
_LOAD = f"""
    SELECT job.id, job.step, job.state, job.key, job.server, job.model, job.body, job.digest,
        job.task, job.links, job.credits, job.price_class, job.created, job.accepted, job.intended,
        job.status IS NULL AND job.state = 'accepted' AND job.key IS NOT NULL AS given,
        job.sends, job.resend, job.tries, job.parked, job.schedule, job.sending_until,
        job.name_template, job.batch, folder.text AS folder, server.text AS server_url,
        batch.max_credits, batch.halted, batch.resubmit, {NOW} AS now
    FROM {SCHEMA}.job AS job
    JOIN {SCHEMA}.place AS server ON server.id = job.server
    LEFT JOIN {SCHEMA}.place AS folder ON folder.id = job.folder
    LEFT JOIN {SCHEMA}.batch AS batch ON batch.id = job.batch
    WHERE job.id = ANY(%s)
"""  # noqa: S608 - our own names
_PARK = f"""
    UPDATE {SCHEMA}.job SET parked = %s, step = step + 1
    WHERE id = %s AND step = %s AND parked IS NULL
"""  # noqa: S608
_log = logging.getLogger("wanflow")
T = TypeVar("T")


@frozen
class DatabaseClock:
    """The database's clock, as this machine knows it since it was last read."""

    read: float
    at: float = field(factory=time.monotonic)

    def now(self) -> float:
        """Return the time in unix seconds."""
        return self.read + time.monotonic() - self.at

    def time_point(self) -> TimePoint:
        """Return the time as flows take it, by one clock."""
        now = self.now()
        return TimePoint(now, now)


def read_clock(connection: Connection[Any]) -> DatabaseClock:
    """Read the database's clock."""
    found = connection.execute(f"SELECT {NOW}").fetchone()
    assert found is not None
    return DatabaseClock(found[0])


@frozen
class Work:
    """A step, and its job as it was when the step was taken.

    `server` is the number of the server's address, `server_url` the address. `digest` identifies
    the request; `given` is whether a user gave the job its task, which no poll has found yet;
    `schedule` is what earlier polls have shown; `sending_until` is when the request
    of its intent has certainly ended, by the database's clock.
    """

    row: QueueRow
    clock: DatabaseClock
    id: int
    step: int
    state: JobState
    key: str
    server: int
    server_url: str
    model: str | None
    body: dict[str, Any] = field(repr=False)
    digest: bytes = field(repr=False)
    task: str | None
    given: bool
    links: tuple[str, ...] = field(repr=False)
    folder: str | None
    credits: float | None
    price_class: int | None
    created: int | None
    accepted: float | None
    intended: float
    sending_until: float | None
    sends: int
    resend: bool
    tries: int
    parked: str | None
    schedule: str | None
    name_template: str | None
    batch: int | None
    max_credits: float | None
    halted: str | None
    resubmit: bool

    @property
    def current(self) -> bool:
        """Whether the step is the job's: one that isn't does nothing."""
        return self.row.step == self.step and self.parked is None


def load(connection: Connection[Any], rows: Sequence[QueueRow], metrics: Metrics) -> list[Work]:
    """Read the jobs of some steps; a step whose job was deleted is left out.

    A job that can't be read is parked with its reason, and its step is left out: no other job
    waits for it, and no worker ends by it.
    """
    if not rows:
        return []
    cursor = connection.cursor(row_factory=dict_row)
    found = {one["id"]: one for one in cursor.execute(_LOAD, [[row.job for row in rows]])}
    works: list[Work] = []
    for row in rows:
        if row.job not in found:
            continue
        try:
            works.append(_work(row, found[row.job]))
        except (ValueError, TypeError, RecursionError) as error:
            deep = isinstance(error, RecursionError)  # whose text is about Python's stack
            reason = f"its record can't be read: {'it is nested too deeply' if deep else error}"
            _log.warning("job %s is parked: %s", row.job, reason)
            connection.execute(_PARK, [truncated(reason), row.job, row.step])
            metrics.count("jobs_parked")
    return works


def _work(row: QueueRow, found: dict[str, Any]) -> Work:
    values: dict[str, Any] = {name: value for name, value in found.items() if name != "now"}
    values |= {
        "state": JobState(found["state"]),
        "body": _read("request", found["body"] or "{}", dict),
        "digest": bytes(found["digest"] or b""),
        "links": tuple(cast("list[str]", _read("links", found["links"] or "[]", list))),
        "resubmit": bool(found["resubmit"]),
    }
    return Work(row=row, clock=DatabaseClock(found["now"]), **values)


def _read(what: str, text: str, kind: type[T]) -> T:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(f"its {what} is not valid JSON") from error
    if not isinstance(value, kind):
        raise TypeError(f"its {what} is a JSON value of another kind")
    return value
