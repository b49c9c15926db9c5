"""Decide about a submission whose key or name is already in the ledger."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from wanflow._core.snapshot import Snapshot
from wanflow.errors import InvalidRequest, JobLocked, SubmitUncertain
from wanflow.ledger.job import JobState

if TYPE_CHECKING:
    from wanflow._core.recorder import SubmissionIntent
    from wanflow.ledger.connection import Check
    from wanflow.ledger.job import Job
    from wanflow.ledger.protocol import Store


def resolve_duplicate(
    store: Store, job: Job, intent: SubmissionIntent, check: Check | None = None
) -> Snapshot | None:
    """Return the task of the job; None if the submission may be sent, which `check` may forbid.

    Raises:
        InvalidRequest: the job was recorded for another request, or its user discarded it.
        SubmitUncertain: it may have been accepted, and resending wasn't requested.
        JobLocked: another process works on it, or a queue's workers will.
    """
    if job.digest != request_digest(job.key or "", intent.content) or job.server != intent.server:
        raise InvalidRequest(
            f"idempotency key {intent.key} was used for another request before (job {job.id})"
        )
    if job.task_id is not None:
        return _recorded_snapshot(job, job.task_id)
    if job.state is JobState.DISCARDED:
        raise InvalidRequest(
            f"job {job.id} with idempotency key {job.key} was discarded by its user, so it is not "
            "sent again; submit it with another key"
        )
    if job.state is JobState.PLANNED:
        raise JobLocked(f"job {job.id} waits in a queue, whose workers submit it")
    if store.is_owned(job):
        raise _locked_error(job)
    if job.uncertain and not intent.resend:
        raise uncertain_error(job)
    # An uncertain job stays uncertain: a rejected resend proves nothing about the first attempt.
    state = JobState.UNCERTAIN if job.uncertain else JobState.INTENT
    # The budget that pays for it now is the one that is checked.
    name = None if check is None else intent.name
    if not store.acquire(job, state, resend=job.uncertain, name=name, check=check):
        raise _locked_error(job)
    return None


def request_digest(key: str, content: bytes) -> bytes:
    """Return a digest that identifies a request, salted with the key; it reveals no prompt."""
    return sha256(key.encode() + content).digest()[:16]


def uncertain_error(job: Job) -> SubmitUncertain:
    """Return the error for a job that may or may not have been accepted."""
    reason = job.reason or "the process ended before the response was recorded"
    return SubmitUncertain(
        f"job {job.id} was sent before, and may have been accepted ({reason}). It may have been "
        "charged, so it was not sent again: check the account's usage, or ask the provider "
        f"about idempotency key {job.key}",
        reason=reason,
        request=job.body,
        idempotency_key=job.key,
    )


def duplicate_task_error(job: Job, task_id: str) -> SubmitUncertain:
    """Return the error for a job whose response named the task of another job."""
    return SubmitUncertain(
        f"job {job.id} was sent, and {job.reason or 'the response named the task of another job'}. "
        "It may have been charged, and its own task isn't known: check the account's usage, or "
        f"ask the provider about idempotency key {job.key}",
        reason=job.reason or "",
        request=job.body,
        idempotency_key=job.key,
        task_id=task_id,
    )


def _recorded_snapshot(job: Job, task_id: str) -> Snapshot:
    return Snapshot(
        id=task_id,
        status=job.status or "",
        model=job.model,
        progress=job.progress,
        created=job.created,
        urls=job.links,
        usage={} if job.credits is None else {"credits_reserved": job.credits},
    )


def _locked_error(job: Job) -> JobLocked:
    who = f"process {job.owner.process}" if job.owner else "another process"
    return JobLocked(f"job {job.id} is locked by {who}")
