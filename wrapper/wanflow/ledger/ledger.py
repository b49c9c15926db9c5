"""The ledger: it records what clients do, and lists, claims and deletes jobs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from attrs import frozen

from wanflow._core.snapshot import LINK_LIFETIME
from wanflow._database_url import without_password
from wanflow.errors import JobLocked, LedgerError
from wanflow.ledger.budget import BudgetCheck
from wanflow.ledger.deduplication import duplicate_task_error, request_digest, resolve_duplicate
from wanflow.ledger.fields import (
    NO_UPLOADS,
    absolute,
    accepted_fields,
    snapshot_fields,
    truncated,
    without_prompts,
)
from wanflow.ledger.job import Job, JobState, Remaining, remaining_of
from wanflow.ledger.location import default_path, parse_location
from wanflow.ledger.refs import ClaimedJobs, IdRef, JobFilter, KeyRef, TaskRef
from wanflow.ledger.stores import open_store
from wanflow.ledger.user_decisions import discard, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from os import PathLike
    from pathlib import Path
    from typing import Any

    from wanflow._core.effects import Deliver, Outcome
    from wanflow._core.prices import PriceRecord
    from wanflow._core.recorder import Budget, File, SubmissionIntent
    from wanflow._core.snapshot import Snapshot
    from wanflow._core.uploads import UploadedLink
    from wanflow.ledger.budget import BudgetState


@frozen
class _Target:
    """Where the files of an owned task are saved, and by which template they are named."""

    folder: Path
    name: str | None = None


# The states from which each change is allowed.
_INTENT = frozenset({JobState.INTENT})
_UNCERTAIN = frozenset({JobState.INTENT, JobState.UNCERTAIN})
_POLLABLE = frozenset({JobState.ACCEPTED, JobState.LOST})
_UNFINISHED = frozenset({JobState.ACCEPTED, JobState.COMPLETED})
_NOT_SAVED = frozenset({JobState.ACCEPTED, JobState.COMPLETED, JobState.LOST})


class Ledger:
    """A record of paid work in a file or a database: `Client(ledger=Ledger(path))`.

    Threads and processes may share it; machines may share one in PostgreSQL. It never contains the
    API key. Close it, or use it in a `with` block.

    Args:
        path: the file, created if needed, or the `postgresql://` URL of a database, which needs
            the extra `queue`; `default_path()` by default.
        keep_prompts: False removes prompts; uncertain jobs can't be sent again then.

    Attributes:
        path: the absolute path of the file, or the URL without its password.

    Raises:
        LedgerError: it can't be opened, is damaged, or is of a newer version.
    """

    def __init__(
        self, path: str | PathLike[str] | None = None, *, keep_prompts: bool = True
    ) -> None:
        location = default_path() if path is None else parse_location(path)
        self.path = without_password(location) if isinstance(location, str) else location
        self._location, self._keep_prompts = location, keep_prompts
        self._store = open_store(location)
        # Submissions in flight, by key, and the targets of owned tasks: what is already recorded
        # isn't written again.
        self._submissions: dict[str, SubmissionIntent] = {}
        self._owned: dict[TaskRef, _Target | None] = {}

    def jobs(
        self,
        states: Iterable[JobState | str] | None = None,
        *,
        newest_first: bool = False,
        limit: int | None = None,
        prefix: str | None = None,
    ) -> list[Job]:
        """List the jobs in some states, or all jobs; with `prefix`, those with such a name."""
        chosen = None if states is None else frozenset(JobState(state) for state in states)
        return self._store.jobs(
            JobFilter(states=chosen, newest_first=newest_first, limit=limit, prefix=prefix)
        )

    def find(self, reference: str | int) -> Job | None:
        """Find a job by its number, idempotency key or task id."""
        if isinstance(reference, int):
            return self._store.find(IdRef(reference))
        return self._store.find(KeyRef(reference)) or self._store.find(TaskRef(None, reference))

    def find_by_name(self, name: str) -> list[Job]:
        """List the attempts of the job with a user's name, the first one first."""
        return self._store.find_named([name])

    def attempts(self, names: Iterable[str]) -> dict[str, list[Job]]:
        """List the attempts of named jobs, by name; unknown names are left out.

        Thousands of names cost little more than one.
        """
        found: dict[str, list[Job]] = {}
        for job in self._store.find_named(tuple(names)):
            found.setdefault(job.name or "", []).append(job)
        return found

    def output_dirs(self) -> list[Path]:
        """List the output directories of named jobs."""
        return self._store.output_dirs()

    def is_owned(self, job: Job) -> bool:
        """Return whether a living process, this one or another, owns a job."""
        return self._store.is_owned(job)

    def budget(self, server: str, budget: Budget) -> BudgetState:
        """Return what the submissions of a budget cost, or may have cost."""
        return self._store.budget(server, budget)

    def claim(
        self, server: str, *, unsaved: bool = False, prefix: str | None = None
    ) -> ClaimedJobs:
        """Acquire every unfinished job of a server that no living process owns.

        With `prefix`, only jobs whose names begin with it.

        With `unsaved`, completed jobs whose files weren't requested count as unfinished while
        their links are valid. This process owns the jobs until `release` or until they end.
        """
        since = time.time() - LINK_LIFETIME if unsaved else None
        return self._store.claim(
            JobFilter(unfinished=True, unsaved_since=since, server=server, prefix=prefix)
        )

    def remaining(self, server: str) -> Remaining:
        """Return what a resume on a server leaves: unsaved files, and jobs of other servers."""
        completed = self._store.jobs(JobFilter(frozenset({JobState.COMPLETED}), server=server))
        unfinished = self._store.jobs(JobFilter(unfinished=True))
        return remaining_of(completed, (job.server for job in unfinished), server, time.time())

    def acquire(self, job: Job) -> bool:
        """Acquire one job, if it is unchanged since it was read and no living process owns it."""
        return self._store.acquire(job, job.state)

    def resend(self, job: Job, budget: Budget | None = None) -> None:
        """Record that an uncertain job is sent again: a rejection now proves nothing.

        Raises:
            CreditLimitExceeded: the budget doesn't allow it.
            JobLocked: it is no longer uncertain, or was deleted.
        """
        check = None if budget is None else BudgetCheck(job.server, budget)
        if not self._store.resend(job.id, check):
            raise JobLocked(f"job {job.id} was changed meanwhile, so it was not sent again")

    def release(self, job: Job) -> None:
        """Release a claimed job, without blocking."""
        self._store.update_later(IdRef(job.id), {"owned": False})

    def resolve(self, job: Job, task_id: str) -> None:
        """Record the task of an uncertain job: who resumes the job goes on with that task.

        While no poll has found the task, the job can still get another one.

        Raises:
            InvalidRequest: the id isn't that of a task or belongs to another job, or the job isn't
                uncertain or is in a queue.
            JobLocked: a process works on the job or the task.
        """
        resolve(self._store, job, task_id)

    def discard(self, job: Job) -> None:
        """End an uncertain job: it is never sent again, and counts as if it had been charged.

        Raises:
            InvalidRequest: the job isn't uncertain, or is in a queue.
            JobLocked: a process works on it.
        """
        discard(self._store, job)

    def delete(self, jobs: Iterable[Job]) -> int:
        """Delete jobs from the ledger, and return how many; their files stay."""
        return self._store.delete(jobs)

    def close(self) -> None:
        """Write buffered changes, release the jobs that this process owns, and close."""
        self._store.close()

    def reopen(self) -> Ledger:
        """Open the same ledger again, with locks and connections of its own."""
        return Ledger(self._location, keep_prompts=self._keep_prompts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Ledger({str(self.path)!r})"

    # The methods of the recorder: `wanflow._core.recorder` says when each is called.

    def submit(self, function: Callable[[], Any], deliver: Deliver) -> None:
        """Call a function that uses this ledger, in a transaction shared with others."""

        def on_end(outcome: Outcome) -> Callable[[], object] | None:
            if isinstance(outcome.error, LedgerError):
                # A change may not have been written.
                self._owned.clear()
            return deliver(outcome)

        self._store.submit(function, on_end)

    def record_intent(self, intent: SubmissionIntent) -> Snapshot | None:
        """Record an intent before anything is sent; return the task that it already has."""
        budget = intent.budget
        check = None if budget is None else BudgetCheck(intent.server, budget)
        found = self._store.add(
            {
                "server": intent.server,
                "key": intent.key,
                "name": intent.name,
                "attempt": intent.attempt,
                "model": intent.model,
                "body": intent.body if self._keep_prompts else without_prompts(intent.body),
                "redacted": not self._keep_prompts,
                "digest": request_digest(intent.key, intent.content),
                "state": JobState.INTENT,
                "output_dir": absolute(intent.folder),
                "price_class": intent.price_class,
                "recorded_at": time.time(),
                "uploads": intent.uploads,
                "name_template": intent.name_template,
            },
            check,
        )
        known = None if found is None else resolve_duplicate(self._store, found, intent, check)
        if known is None:
            self._submissions[intent.key] = intent
        return known

    def uploaded_links(self, key: str) -> Mapping[str, UploadedLink]:
        """Return the links, by reference, that an uncertain submission was sent with."""
        job = self._store.find(KeyRef(key))
        return {} if job is None else job.uploads

    def record_accepted(
        self, key: str, snapshot: Snapshot, *, hold: bool, reason: str | None = None
    ) -> None:
        """Record the task of a submission."""
        changes = {**accepted_fields(snapshot, reason), "owned": hold}
        intent = self._submissions.get(key)
        if not self._store.change(KeyRef(key), changes, durable=True):
            self._record_unassigned_task(key, snapshot.id)
        self._submissions.pop(key, None)
        if hold and intent is not None:
            folder = absolute(intent.folder)
            self._owned[TaskRef(intent.server, snapshot.id)] = (
                None if folder is None else _Target(folder, intent.name_template)
            )

    def _record_unassigned_task(self, key: str, task_id: str) -> None:
        """Record a task whose job was deleted; raise if the task belongs to another job.

        Raises:
            SubmitUncertain: the task belongs to another submission.
        """
        job = self._store.find(KeyRef(key))
        if job is not None:
            raise duplicate_task_error(job, task_id)
        intent = self._submissions.get(key)
        if intent is not None:
            self._store.adopt(TaskRef(intent.server, task_id), time.time())

    def record_accepted_later(self, key: str, snapshot: Snapshot) -> None:
        """Buffer the task of a submission that couldn't be recorded."""
        self._submissions.pop(key, None)
        changes = {**accepted_fields(snapshot, None), "owned": False}
        self._store.update_later(KeyRef(key), changes, only=_UNCERTAIN)

    def record_rejected(self, key: str, reason: str) -> None:
        """Record that a submission was provably not accepted."""
        self._submissions.pop(key, None)
        changes = {
            "state": JobState.REJECTED,
            "reason": truncated(reason),
            "owned": False,
            **NO_UPLOADS,
        }
        if not self._store.change(KeyRef(key), changes, only=_INTENT, durable=True):
            self._uncount_resend(key)

    def _uncount_resend(self, key: str) -> None:
        """Release an uncertain job whose last submission was rejected, and don't count that."""
        job = self._store.find(KeyRef(key))
        sends = {} if job is None or job.sends == 1 else {"sends": job.sends - 1}
        self._store.update_later(KeyRef(key), {"owned": False, **sends})

    def record_unsent(self, key: str, reason: str) -> None:
        """Buffer that a submission was not sent, or was rejected."""
        self._submissions.pop(key, None)
        changes = {"state": JobState.REJECTED, "reason": truncated(reason), **NO_UPLOADS}
        self._store.update_later(KeyRef(key), changes, only=_INTENT)
        self._store.update_later(KeyRef(key), {"owned": False})

    def record_uncertain(self, key: str, reason: str) -> None:
        """Buffer that a submission may have been accepted."""
        self._submissions.pop(key, None)
        changes = {"state": JobState.UNCERTAIN, "reason": truncated(reason), "owned": False}
        self._store.update_later(KeyRef(key), changes, only=_UNCERTAIN)

    def is_cached(
        self, server: str, task_id: str, folder: Path | None = None, name: str | None = None
    ) -> bool:
        """Return whether this process owns a task with an output directory, or this target."""
        held = self._owned.get(TaskRef(server, task_id))
        return held is not None and (folder is None or _is_target(held, folder, name))

    def submitted_at(self, server: str, task_id: str) -> float | None:
        """Return the Unix time at which a task was accepted; None if it isn't recorded."""
        job = self._store.find(TaskRef(server, task_id))
        return None if job is None else job.accepted

    def prices(self, server: str, model: str) -> list[PriceRecord]:
        """Return what the jobs of a model cost on a server, by price class and price."""
        return self._store.prices(server, model)

    def possible_charges(self, key: str) -> int:
        """Return how often an uncertain submission was sent; 0 where none has this key."""
        job = self._store.find(KeyRef(key))
        return job.sends if job is not None and job.uncertain else 0

    def acquire_task(self, server: str, task_id: str) -> None:
        """Record that this process waits for a task."""
        task = TaskRef(server, task_id)
        if task not in self._owned:
            self._store.adopt(task, time.time())
            self._owned[task] = None

    def record_poll(self, server: str, snapshot: Snapshot) -> None:
        """Buffer the result of a poll."""
        changes = {"state": JobState.ACCEPTED, "reason": None, **snapshot_fields(snapshot)}
        self._store.update_later(TaskRef(server, snapshot.id), changes, only=_POLLABLE)

    def record_done(self, server: str, snapshot: Snapshot) -> None:
        """Record how a task ended."""
        failure = snapshot.failure
        changes = {
            "state": JobState.FAILED if failure else JobState.COMPLETED,
            "code": failure.code if failure else None,
            "reason": truncated(failure.message) if failure else None,
            "links": snapshot.urls,
            "ended": time.time(),
            **snapshot_fields(snapshot),
        }
        task = TaskRef(server, snapshot.id)
        if self._owned.get(task) is not None and failure is None:
            # Its files are saved next, and recorded durably.
            self._store.update_later(task, changes, only=_NOT_SAVED)
        else:
            self._store.change(task, changes, only=_NOT_SAVED)

    def record_lost(self, server: str, task_id: str, reason: str) -> None:
        """Record that a task's files are no longer available."""
        changes = {"state": JobState.LOST, "reason": truncated(reason), "owned": False}
        self._store.change(TaskRef(server, task_id), changes, only=_UNFINISHED)

    def record_missing(
        self, server: str, task_id: str, reason: str, now: float | None = None
    ) -> None:
        """Record that a server doesn't know a task at a time: it is lost if it may have expired."""
        task = TaskRef(server, task_id)
        job = self._store.find(task)
        if job is None or job.possibly_expired(time.time() if now is None else now):
            self.record_lost(server, task_id, reason)
        else:
            changes = {"reason": truncated(reason), "owned": False}
            self._store.change(task, changes, only=_UNFINISHED)

    def record_target_dir(
        self, server: str, task_id: str, folder: Path, name: str | None = None
    ) -> str | None:
        """Record a task's output directory and name template; return the recorded template."""
        task = TaskRef(server, task_id)
        held = self._owned.get(task)
        if held is not None and _is_target(held, folder, name):
            return held.name
        self.acquire_task(server, task_id)
        target = {"output_dir": folder.absolute(), "owned": True}
        self._store.change(task, target if name is None else {**target, "name_template": name})
        if name is None:
            job = self._store.find(task)
            name = None if job is None else job.name_template
        self._owned[task] = _Target(folder.absolute(), name)
        return name

    def record_files(self, server: str, task_id: str, files: Sequence[File]) -> None:
        """Record the files of a task, all of them on disk; its links are no longer needed."""
        changes = {"state": JobState.SAVED, "links": (), "reason": None, "owned": False}
        self._store.change(TaskRef(server, task_id), changes, files=files)
        self._owned.pop(TaskRef(server, task_id), None)

    def release_task(self, server: str, task_id: str) -> None:
        """Buffer that this process no longer works on a task."""
        task = TaskRef(server, task_id)
        if task in self._owned:
            del self._owned[task]
            self._store.update_later(task, {"owned": False})


def _is_target(held: _Target, folder: Path, name: str | None) -> bool:
    return held.folder == folder.absolute() and name in {None, held.name}
