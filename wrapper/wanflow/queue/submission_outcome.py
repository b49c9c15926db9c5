"""What came of a submission: the one thing that can't be asked for again, so it is never lost.

An outcome that the database can't take now is written to a file, and applied later, possibly by
another process. Applying one twice changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import asdict, frozen

from wanflow._core.snapshot import Snapshot
from wanflow._text import one_line
from wanflow.ledger.fields import task_fields, truncated
from wanflow.ledger.job import JobState
from wanflow.ledger.postgres.owner import QUEUE_OWNER
from wanflow.queue import moves, schedule
from wanflow.queue.engine import SCHEMA, StepKind
from wanflow.queue.moves import JOB, Fence, Following, move
from wanflow.queue.work import NOW

if TYPE_CHECKING:
    from wanflow._core.effects import TimePoint
    from wanflow.queue.writes import Transaction

_SENT = frozenset({JobState.INTENT, JobState.UNCERTAIN})
# So is a job that was sent if the database has lost its intent, as after a failover.
_PLANNED = frozenset({JobState.PLANNED})
_SNAPSHOT_FIELDS = ("id", "status", "model", "progress", "created", "estimated_time", "usage")


@frozen
class Accepted:
    """There is a task. `reason` says why it may not be the submission's own."""

    job: int
    key: str
    snapshot: Snapshot
    replayed: bool = False
    reason: str | None = None

    def apply(self, transaction: Transaction, now: TimePoint, row: int | None = None) -> None:
        """Record the task, whatever step the job is in: it is paid for."""
        other = _find_task(transaction, self.snapshot.id, self.job)
        if other is not None:
            _mark_duplicate(transaction, self, other, row)
            return
        polls = schedule.begun(now, self.snapshot)
        # Two tasks of one job are two charges: the second one is a job of its own.
        values = {
            "state": str(JobState.ACCEPTED),
            "task": self.snapshot.id,
            "accepted": now.wall,
            "reason": None if self.reason is None else truncated(self.reason),
            "schedule": schedule.to_text(polls),
            "tries": 0,
            "uploads": None,
            **({"sends": 1} if self.replayed else {}),
            **task_fields(self.snapshot),
        }
        if values.get("credits"):
            values["reserved"] = values["credits"]
        following = Following(StepKind.POLL, polls.first_delay(now.monotonic, 0.5))
        fence = Fence(self.job, _SENT | _PLANNED)
        if move(transaction, fence, values, following, row=row) is None:
            _adopt(transaction, self, values)


@frozen
class NotAccepted:
    """Nothing was accepted. It is sent again in `delay` seconds, or never (None).

    `token` names the intent, which was the first one of the job. `halted` is why no job of its
    batch is sent any more.
    """

    job: int
    key: str
    token: int
    reason: str
    delay: float | None = None
    halted: str | None = None

    def apply(self, transaction: Transaction, now: TimePoint, row: int | None = None) -> None:
        """Take the intent back, or end the job."""
        del now
        again = self.delay is not None or self.halted is not None
        values = {
            "state": str(JobState.PLANNED if again else JobState.REJECTED),
            "reason": truncated(self.reason),
            "reserved": None,
        }
        following = None
        if self.delay is not None and self.halted is None:
            following = Following(StepKind.SUBMIT, self.delay)
        moved = move(
            transaction, Fence(self.job, _SENT, token=self.token), values, following, row=row
        )
        if moved is None or not again:
            return
        moves.end_canceled(transaction, self.job)
        if moved.batch is not None and self.halted is not None:
            moves.halt(transaction, moved.batch, self.halted)


@frozen
class Uncertain:
    """It may have been accepted. It is sent again in `delay` seconds, or never (None)."""

    job: int
    key: str
    token: int
    reason: str
    delay: float | None = None

    def apply(self, transaction: Transaction, now: TimePoint, row: int | None = None) -> None:
        """Mark the job uncertain."""
        del now
        values = _uncertain(self.reason)
        following = None if self.delay is None else Following(StepKind.SUBMIT, self.delay)
        fence = Fence(self.job, _SENT, token=self.token)
        if move(transaction, fence, values, following, row=row) is None:
            lost = Fence(self.job, _PLANNED, other_than=self.token)
            move(transaction, lost, values, following)
        if following is not None:
            moves.end_canceled(transaction, self.job)


SubmissionOutcome = Accepted | NotAccepted | Uncertain
_KINDS: dict[str, type[Any]] = {one.__name__: one for one in (Accepted, NotAccepted, Uncertain)}


def describe(outcome: SubmissionOutcome) -> str:
    """Return what people need to know of an outcome, for the log: nothing that the API said."""
    if isinstance(outcome, Accepted):
        return f"task {one_line(outcome.snapshot.id)} of job {outcome.job}"
    what = "uncertain" if isinstance(outcome, Uncertain) else "not accepted"
    return f"job {outcome.job} is {what}"


def to_json(outcome: SubmissionOutcome) -> dict[str, Any]:
    """Return an outcome as JSON values, without the headers and the whole body of the response."""
    values = asdict(outcome, recurse=False)
    if isinstance(outcome, Accepted):
        snapshot = outcome.snapshot
        values["snapshot"] = {name: getattr(snapshot, name) for name in _SNAPSHOT_FIELDS}
    return {"outcome": type(outcome).__name__, **values}


def from_json(values: dict[str, Any]) -> SubmissionOutcome:
    """Return the outcome that `to_json` wrote."""
    given = dict(values)
    kind = _KINDS[given.pop("outcome")]
    if "snapshot" in given:
        given["snapshot"] = Snapshot(**given["snapshot"])
    outcome: SubmissionOutcome = kind(**given)
    return outcome


def _find_task(transaction: Transaction, task: str, job: int) -> int | None:
    """Return the other job of the same server that has a task."""
    query = f"""
        SELECT other.id FROM {JOB} AS other JOIN {JOB} AS mine ON mine.server = other.server
        WHERE mine.id = %s AND other.task = %s AND other.id <> mine.id
    """  # noqa: S608 - our own names
    found = transaction.connection.execute(query, [job, task]).fetchone()
    return None if found is None else found[0]


def _mark_duplicate(
    transaction: Transaction, outcome: Accepted, other: int, row: int | None
) -> None:
    reason = f"the API responded with task {outcome.snapshot.id}, which is that of job {other}"
    move(transaction, Fence(outcome.job, _SENT), _uncertain(reason), row=row)


def _uncertain(reason: str) -> dict[str, Any]:
    """Return what is written of a job whose request has ended: it may be sent again."""
    values = {"state": str(JobState.UNCERTAIN), "reason": truncated(reason)}
    return {**values, "sending_until": None}


def _adopt(transaction: Transaction, outcome: Accepted, values: dict[str, Any]) -> None:
    """Record the task as a job of its own, unless its job has it already."""
    reason = f"a second task of job {outcome.job}, which was sent again"
    query = f"""
        INSERT INTO {JOB} (server, model, state, task, folder, intended, accepted, reason, batch,
            line, schedule, credits, price, price_class, body, abridged, holder)
        SELECT server, model, 'accepted', %s, folder, {NOW}, %s, %s, batch,
            line, %s, %s, %s, price_class, body, abridged,
            (SELECT id FROM {SCHEMA}.holder WHERE token = '{QUEUE_OWNER}')
        FROM {JOB} WHERE id = %s AND task IS DISTINCT FROM %s
        ON CONFLICT DO NOTHING
        RETURNING step, server, batch, id
    """  # noqa: S608 - our own names
    given = [values.get(name) for name in ("schedule", "credits", "price")]
    task = outcome.snapshot.id
    named = [task, values["accepted"], reason, *given, outcome.job, task]
    found = transaction.connection.execute(query, named).fetchone()
    if found is not None:
        *moved, number = found
        moves.enqueue(transaction, number, moves.Moved(*moved), Following(StepKind.POLL))


def belongs(transaction: Transaction, outcome: SubmissionOutcome) -> bool:
    """Return whether the database has the job of an outcome, and not another one of its number.

    The job is locked: a connection that was given up may have sent a commit that has no end yet.
    """
    found = transaction.connection.execute(
        f"SELECT 1 FROM {SCHEMA}.job WHERE id = %s AND key = %s FOR UPDATE",  # noqa: S608
        [outcome.job, outcome.key],
    ).fetchone()
    return found is not None
