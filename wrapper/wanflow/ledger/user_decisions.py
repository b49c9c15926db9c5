"""What a user decides about an uncertain job: that it has a task, or that it isn't sent again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from wanflow._core.arguments import validate_documented_id
from wanflow.errors import InvalidRequest, JobLocked
from wanflow.ledger.fields import NO_UPLOADS, truncated
from wanflow.ledger.job import JobState
from wanflow.ledger.refs import IdRef, TaskRef

if TYPE_CHECKING:
    from wanflow.ledger.job import Job
    from wanflow.ledger.protocol import Store
    from wanflow.ledger.refs import Changes


def resolve(store: Store, job: Job, task_id: str) -> None:
    """Give a job its task, of which nothing but the id is known.

    Raises:
        InvalidRequest: the id can't be that of the job, or the job needs none.
        JobLocked: a process works on the job or the task.
    """
    lock = f"task {job.server} {validate_documented_id(task_id)}"
    store.transact(lambda: _resolve(store, job, task_id), lock)


def _resolve(store: Store, job: Job, task_id: str) -> None:
    other = store.find(TaskRef(job.server, task_id))
    if other is not None and other.id != job.id:
        if other.key is not None:
            raise task_taken(task_id, other.id)
        # A wait without a submission: its job is merged into this one.
        if store.is_owned(other):
            raise JobLocked(f"another process works on task {task_id} (job {other.id})")
    _decide(store, job, {**given_task(task_id), "accepted": time.time()})


def discard(store: Store, job: Job) -> None:
    """End a job that may have been charged.

    Raises:
        InvalidRequest: the job isn't uncertain.
        JobLocked: a process works on it.
    """
    changes = {**discarded(job.reason), "ended": time.time()}
    store.transact(lambda: _decide(store, job, changes), f"job {job.id}")


def given_task(task_id: str) -> dict[str, Any]:
    """Return the fields of a job whose user knows its task."""
    return {"state": JobState.ACCEPTED, "task_id": task_id, "reason": None, "ended": None}


def discarded(reason: str | None) -> dict[str, Any]:
    """Return the fields of a discarded job, which was uncertain for a reason."""
    why = f" ({reason})" if reason else ""
    text = truncated(f"it may have been charged{why}")
    return {"state": JobState.DISCARDED, "task_id": None, "reason": text}


def task_taken(task_id: str, job: int) -> InvalidRequest:
    """Return the error for a task that belongs to another job."""
    return InvalidRequest(f"task {task_id} is that of job {job}, and a task has one job only")


def not_uncertain(job: int, state: str) -> InvalidRequest:
    """Return the error for a job that its user can't decide about."""
    return InvalidRequest(
        f"job {job} is {state}; only a job that is uncertain, or whose task was never found, can "
        "be resolved or discarded"
    )


def _decide(store: Store, job: Job, changes: Changes) -> None:
    if store.is_queued(job):
        raise InvalidRequest(
            f"job {job.id} is in a queue: use wanflow queue resolve, or wanflow queue discard"
        )
    current = store.find(IdRef(job.id))
    if current is not None and not current.task_unknown:
        raise not_uncertain(job.id, current.state)
    if not store.acquire(job, job.state):
        raise JobLocked(f"job {job.id} is locked by a process, or was changed meanwhile")
    try:
        store.change(IdRef(job.id), {**changes, **NO_UPLOADS}, durable=True)
    finally:
        store.update_later(IdRef(job.id), {"owned": False})
