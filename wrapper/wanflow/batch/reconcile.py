"""What the ledger knows of a batch's jobs already, and what is left to do for each."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from attrs import evolve

from wanflow._core.effects import act
from wanflow._core.failure_codes import ADVICE
from wanflow.batch.cost_limit import kind_of
from wanflow.batch.models import End, Item, Outcome
from wanflow.ledger import State

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wanflow._core.effects import Flow
    from wanflow.batch.models import Planned
    from wanflow.batch.steps import Steps
    from wanflow.ledger import Job, Ledger

# Seconds, by the provider's table of error codes; the middle where it gives a range.
_PAUSES = {
    "service_error": 45.0,
    "resource_exhausted": 150.0,
    "quota_exceeded": 2.0,
    "service_unavailable": 180.0,
}
_ONCE = frozenset({"unknown_error"})


def pause_before_again(code: str | None, attempt: int, retries: int) -> float | None:
    """Return the seconds to wait before a failed task is submitted again; None: it is not.

    Args:
        code: the business code that it failed with.
        attempt: the submission that failed, from 1.
        retries: how many more submissions a job may have than the first.
    """
    advice = ADVICE.get(code or "", ADVICE["unknown_error"])
    allowed = min(retries, 1) if code in _ONCE or code not in ADVICE else retries
    if not advice.resubmit or attempt > allowed:
        return None
    return _PAUSES.get(code or "", 0.0)


def retries_for(code: str | None, attempts: int) -> int:
    """Return how many retries would have a failed task submitted again; 0 where none would."""
    helps = code is not None and pause_before_again(code, attempts, attempts) is not None
    return attempts if helps else 0


def admit(
    steps: Steps, jobs: Sequence[Planned]
) -> Flow[list[tuple[str, Item | Outcome, Sequence[Job]]]]:
    """Find out what the ledger knows of jobs → the kind, what is left to do, and the attempts."""
    ledger, terms, catalog = steps.ledger, steps.terms, steps.work.catalog
    known = yield from act(lambda: ledger.attempts(planned.name for planned in jobs))

    def one(planned: Planned) -> tuple[str, Item | Outcome, Sequence[Job]]:
        kind, attempts = kind_of(catalog, planned.body), known.get(planned.name, ())
        resend, retries = terms.resubmit_uncertain, terms.retries
        here = [_here(job, terms.folder) for job in attempts[-1:]]
        latest = [*attempts[:-1], *here]
        left = survey(ledger, planned, kind, latest, retries=retries, resend=resend)
        return kind, left, attempts

    return (yield from act(lambda: [one(planned) for planned in jobs]))


def survey(
    ledger: Ledger,
    planned: Planned,
    kind: str,
    attempts: Sequence[Job],
    *,
    retries: int,
    resend: bool,
) -> Item | Outcome:
    """Return a job as what is left to do after some attempts, or as what became of it."""
    if not attempts:
        return Item(planned, kind, new_key())
    last = attempts[-1]
    item = Item(planned, kind, last.key or new_key(), last.attempt, last, task_id=last.task_id)
    again = pause_before_again(last.code, last.attempt, retries) is not None
    if last.state is State.FAILED and again:
        return Item(planned, kind, new_key(), last.attempt + 1)
    end = _end_of(ledger, last, resend=resend)
    if end is not None:
        return _outcome(item, end, last)
    item.resend, item.credits = last.in_doubt, last.credits
    return item


def _end_of(ledger: Ledger, job: Job, *, resend: bool) -> End | None:
    """Return what became of a job, None where something is left to do."""
    match job.state:
        case State.SAVED if all(_is_whole(file.path, file.size) for file in job.files):
            return End.SAVED
        case State.FAILED | State.LOST:
            return End.FAILED
        case State.INTENT | State.UNCERTAIN if ledger.living(job):
            return End.TAKEN
        case State.INTENT | State.UNCERTAIN if not resend:
            return End.UNCERTAIN
        case _:
            return None


def new_key() -> str:
    """Draw an idempotency key."""
    return uuid.uuid4().hex


def _here(job: Job, folder: Path) -> Job:
    """Return a job with its files where they are: in the batch's folder, if that was moved."""
    files = tuple(
        evolve(file, path=moved) if _is_whole(moved, file.size) else file
        for file in job.files
        if (moved := folder.absolute() / file.path.name)
    )
    return evolve(job, files=files)


def _is_whole(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _outcome(item: Item, end: End, job: Job) -> Outcome:
    reason = " ".join(filter(None, (job.code, job.reason)))
    return Outcome(
        item.planned,
        end,
        reason,
        job.task_id,
        job.credits,
        job.attempt,
        job.files,
        earlier=True,
        key=job.key,
        code=job.code,
    )
