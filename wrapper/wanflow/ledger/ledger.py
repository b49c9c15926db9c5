"""The ledger: the recorder that a client is given, and the questions that it answers."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from wanflow._config import LEDGER_VARIABLE
from wanflow.errors import LedgerError
from wanflow.ledger.deduplication import duplicate_task_error, request_digest, resolve_duplicate
from wanflow.ledger.fields import (
    absolute,
    accepted_fields,
    snapshot_fields,
    truncated,
    without_prompts,
)
from wanflow.ledger.job import LINK_LIFETIME, Job, JobState, Remaining, remaining_of
from wanflow.ledger.refs import ClaimedJobs, IdRef, JobFilter, KeyRef, TaskRef
from wanflow.ledger.store import JobStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from os import PathLike
    from typing import Any

    from wanflow._core.effects import Outcome
    from wanflow._core.recorder import File, SubmissionIntent
    from wanflow._core.snapshot import Snapshot


def default_path() -> Path:
    """Return WANFLOW_LEDGER, else `wanflow/ledger.db` in the user's data folder."""
    named = os.environ.get(LEDGER_VARIABLE)
    return Path(named) if named else _data_dir() / "wanflow" / "ledger.db"


def _data_dir() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    named = os.environ.get("XDG_DATA_HOME", "")
    return Path(named) if Path(named).is_absolute() else Path.home() / ".local" / "share"


_NOT_OWNED = Path()

# The states in which a job takes what is told of it.
_INTENT = frozenset({JobState.INTENT})
_UNCERTAIN = frozenset({JobState.INTENT, JobState.UNCERTAIN})
_POLLABLE = frozenset({JobState.ACCEPTED, JobState.LOST})
_UNFINISHED = frozenset({JobState.ACCEPTED, JobState.COMPLETED})
_NOT_SAVED = frozenset({JobState.ACCEPTED, JobState.COMPLETED, JobState.LOST})


class Ledger:
    """A record of paid work in one file, to be given to clients: `Client(ledger=Ledger(path))`.

    Threads and processes may share it. The API key is never in it. Close it, or use it in a
    `with` block.

    Args:
        path: the file, made if need be; `default_path()` by default.
        keep_prompts: False leaves prompts out; a submission in doubt can't be sent again then.

    Raises:
        LedgerError: the file can't be opened, is damaged, or is of a newer version.
    """

    def __init__(
        self, path: str | PathLike[str] | None = None, *, keep_prompts: bool = True
    ) -> None:
        self.path = (default_path() if path is None else Path(path)).absolute()
        self._keep_prompts = keep_prompts
        self._store = JobStore(self.path)
        # What is being submitted, by key, and the folders of held tasks: what is known to be
        # written need not be written again.
        self._submissions: dict[str, SubmissionIntent] = {}
        self._owned: dict[TaskRef, Path | None] = {}

    def jobs(
        self,
        states: Iterable[JobState | str] | None = None,
        *,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> list[Job]:
        """List jobs, those in some states or all."""
        chosen = None if states is None else frozenset(JobState(state) for state in states)
        return self._store.jobs(JobFilter(states=chosen, newest_first=newest_first, limit=limit))

    def find(self, reference: str | int) -> Job | None:
        """Find a job by its number, its idempotency key or its task's id."""
        if isinstance(reference, int):
            return self._store.find(IdRef(reference))
        return self._store.find(KeyRef(reference)) or self._store.find(TaskRef(None, reference))

    def find_by_name(self, name: str) -> list[Job]:
        """List the attempts at the job that the user gave a name, the first one first."""
        return self._store.find_named([name])

    def attempts(self, names: Iterable[str]) -> dict[str, list[Job]]:
        """List the attempts at each of some named jobs, by name; those of which none is known miss.

        Thousands of names cost little more than one.
        """
        found: dict[str, list[Job]] = {}
        for job in self._store.find_named(tuple(names)):
            found.setdefault(job.name or "", []).append(job)
        return found

    def output_dirs(self) -> list[Path]:
        """List the folders that the files of named jobs were wanted in."""
        return self._store.output_dirs()

    def is_owned(self, job: Job) -> bool:
        """Tell whether a living process, this one or another, is at a job."""
        return self._store.is_owned(job)

    def claim(self, server: str, *, unsaved: bool = False) -> ClaimedJobs:
        """Take whatever isn't finished on a server and in no living process's hands.

        With `unsaved`, files that nobody asked for count as unfinished while their links live.
        What is claimed is this process's until `release`, or until its work on it ends.
        """
        since = time.time() - LINK_LIFETIME if unsaved else None
        return self._store.claim(JobFilter(unfinished=True, unsaved_since=since, server=server))

    def remaining(self, server: str) -> Remaining:
        """Tell what a resume on a server leaves: unsaved files, and jobs of other servers."""
        completed = self._store.jobs(JobFilter(frozenset({JobState.COMPLETED}), server=server))
        unfinished = self._store.jobs(JobFilter(unfinished=True))
        return remaining_of(completed, (job.server for job in unfinished), server, time.time())

    def acquire(self, job: Job) -> bool:
        """Take one job, if it still is as it was read and in no living process's hands."""
        return self._store.acquire(job, job.state)

    def resend(self, job: Job) -> None:
        """Keep that an uncertain job is sent again: a rejection now proves nothing of before."""
        self._store.change(
            IdRef(job.id), {"state": JobState.UNCERTAIN}, only=_UNCERTAIN, durable=True
        )

    def release(self, job: Job) -> None:
        """Give back what was claimed, at once."""
        self._store.update_later(IdRef(job.id), {"owned": False})

    def delete(self, jobs: Iterable[Job]) -> int:
        """Remove jobs from the record, and return how many; the files stay."""
        return self._store.delete(jobs)

    def close(self) -> None:
        """Write what is noted, and close; what this process held is free for others."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Ledger({str(self.path)!r})"

    # What follows is the recorder: `wanflow._core.recorder` says when each is called.

    def run_in_transaction(self, functions: Sequence[Callable[[], Any]]) -> list[Outcome]:
        """Call functions that use this ledger, in one commit → what each came to."""
        ends = self._store.run_in_transaction(functions)
        if any(isinstance(end.error, LedgerError) for end in ends):
            # Something may not have been written after all.
            self._owned.clear()
        return ends

    def record_intent(self, intent: SubmissionIntent) -> Snapshot | None:
        """Keep an intent before anything is sent; return the task that it already has."""
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
                "recorded_at": time.time(),
            }
        )
        known = None if found is None else resolve_duplicate(self._store, found, intent)
        if known is None:
            self._submissions[intent.key] = intent
        return known

    def record_accepted(
        self, key: str, snapshot: Snapshot, *, hold: bool, reason: str | None = None
    ) -> None:
        """Keep the task of a submission."""
        changes = {**accepted_fields(snapshot, reason), "owned": hold}
        intent = self._submissions.get(key)
        if not self._store.change(KeyRef(key), changes, durable=True):
            self._record_unassigned_task(key, snapshot.id)
        self._submissions.pop(key, None)
        if hold and intent is not None:
            self._owned[TaskRef(intent.server, snapshot.id)] = absolute(intent.folder)

    def _record_unassigned_task(self, key: str, task_id: str) -> None:
        """Keep a task whose submission can't have it: its job is gone, or the task is another's.

        Raises:
            SubmitUncertain: it is another submission's.
        """
        job = self._store.find(KeyRef(key))
        if job is not None:
            raise duplicate_task_error(job, task_id)
        intent = self._submissions.get(key)
        if intent is not None:
            self._store.adopt(TaskRef(intent.server, task_id), time.time())

    def record_accepted_later(self, key: str, snapshot: Snapshot) -> None:
        """Note the task of a submission that couldn't be kept."""
        self._submissions.pop(key, None)
        changes = {**accepted_fields(snapshot, None), "owned": False}
        self._store.update_later(KeyRef(key), changes, only=_UNCERTAIN)

    def record_rejected(self, key: str, reason: str) -> None:
        """Keep that a submission was provably not accepted."""
        self._submissions.pop(key, None)
        changes = {"state": JobState.REJECTED, "reason": truncated(reason), "owned": False}
        if not self._store.change(KeyRef(key), changes, only=_INTENT, durable=True):
            self._store.update_later(KeyRef(key), {"owned": False})

    def record_unsent(self, key: str, reason: str) -> None:
        """Note that nothing of a submission was sent, or that it was rejected."""
        self._submissions.pop(key, None)
        changes = {"state": JobState.REJECTED, "reason": truncated(reason)}
        self._store.update_later(KeyRef(key), changes, only=_INTENT)
        self._store.update_later(KeyRef(key), {"owned": False})

    def record_uncertain(self, key: str, reason: str) -> None:
        """Note that a submission may have been accepted."""
        self._submissions.pop(key, None)
        changes = {"state": JobState.UNCERTAIN, "reason": truncated(reason), "owned": False}
        self._store.update_later(KeyRef(key), changes, only=_UNCERTAIN)

    def is_cached(self, server: str, task_id: str, folder: Path | None = None) -> bool:
        """Tell whether a task is held here with its files wanted, in a folder if one is named."""
        held = self._owned.get(TaskRef(server, task_id))
        return held is not None and (folder is None or held == folder.absolute())

    def submitted_at(self, server: str, task_id: str) -> float | None:
        """Return when a task was accepted, in unix seconds, None where that isn't recorded."""
        job = self._store.find(TaskRef(server, task_id))
        return None if job is None else job.accepted

    def acquire_task(self, server: str, task_id: str) -> None:
        """Keep that this process waits for a task."""
        task = TaskRef(server, task_id)
        if task not in self._owned:
            self._store.adopt(task, time.time())
            self._owned[task] = None

    def record_poll(self, server: str, snapshot: Snapshot) -> None:
        """Note a look at a task."""
        changes = {"state": JobState.ACCEPTED, "reason": None, **snapshot_fields(snapshot)}
        self._store.update_later(TaskRef(server, snapshot.id), changes, only=_POLLABLE)

    def record_done(self, server: str, snapshot: Snapshot) -> None:
        """Keep how a task ended."""
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
            # Its files come next, and are written down for good.
            self._store.update_later(task, changes, only=_NOT_SAVED)
        else:
            self._store.change(task, changes, only=_NOT_SAVED)

    def record_lost(self, server: str, task_id: str, reason: str) -> None:
        """Keep that a task's files can't be had any more."""
        changes = {"state": JobState.LOST, "reason": truncated(reason), "owned": False}
        self._store.change(TaskRef(server, task_id), changes, only=_UNFINISHED)

    def record_missing(self, server: str, task_id: str, reason: str) -> None:
        """Keep that a server knows a task no more: lost once it may have been forgotten."""
        task = TaskRef(server, task_id)
        job = self._store.find(task)
        if job is None or job.possibly_expired(time.time()):
            self.record_lost(server, task_id, reason)
        else:
            changes = {"reason": truncated(reason), "owned": False}
            self._store.change(task, changes, only=_UNFINISHED)

    def record_target_dir(self, server: str, task_id: str, folder: Path) -> None:
        """Keep where a task's files are wanted."""
        task, wanted = TaskRef(server, task_id), folder.absolute()
        if self._owned.get(task) != wanted:
            self.acquire_task(server, task_id)
            self._store.change(task, {"output_dir": wanted, "owned": True})
            self._owned[task] = wanted

    def record_files(self, server: str, task_id: str, files: Sequence[File]) -> None:
        """Keep the files of a task, all of them on disk; its links are no longer needed."""
        changes = {"state": JobState.SAVED, "links": (), "reason": None, "owned": False}
        self._store.change(TaskRef(server, task_id), changes, files=files)
        self._owned.pop(TaskRef(server, task_id), None)

    def release_task(self, server: str, task_id: str) -> None:
        """Note that this process no longer works on a task."""
        task = TaskRef(server, task_id)
        if self._owned.pop(task, _NOT_OWNED) is not _NOT_OWNED:
            self._store.update_later(task, {"owned": False})
