"""The recorder of one step of a job: what operations record, written behind a fence."""

from __future__ import annotations

import json
import time
from secrets import randbits
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow._core.effects import Outcome
from wanflow._core.snapshot import LINK_LIFETIME
from wanflow.errors import ConnectionFailed
from wanflow.ledger.fields import is_replay, snapshot_fields, truncated
from wanflow.ledger.job import JobState
from wanflow.queue import moves
from wanflow.queue.engine import MAX_PRIORITY, SCHEMA, StepKind
from wanflow.queue.moves import Fence, Following
from wanflow.queue.submission_outcome import Accepted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from wanflow._core.effects import Deliver
    from wanflow._core.prices import PriceRecord
    from wanflow._core.recorder import File, SubmissionIntent
    from wanflow._core.snapshot import Snapshot
    from wanflow._core.uploads import UploadedLink
    from wanflow.queue.spool import Spool
    from wanflow.queue.work import Work
    from wanflow.queue.writes import Writes

_ASKED_AGAIN = 3
"""So often a completed task without links is polled again."""
_ACCEPTED = frozenset({JobState.ACCEPTED})
_COMPLETED = frozenset({JobState.COMPLETED})
_TOO_LATE = "the database was too slow to write the intent, so nothing was sent"
_FILE = f"""
    INSERT INTO {SCHEMA}.file (job, place, name, size, sha256) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (job, place) DO UPDATE
    SET name = excluded.name, size = excluded.size, sha256 = excluded.sha256
"""  # noqa: S608 - our own names


@define(eq=False)
class StepRecorder:
    """Implements `wanflow._core.recorder.Recorder` for one step.

    What an attempt came to without a task is only noted here: the error that follows says more,
    and both become one write. `sending` is how many seconds the request may last, the lease
    included, and `window` for how many seconds from its intent a submission may be sent again. It
    isn't sent if its intent was written later than a `lease` after it was begun: the request would
    be in flight when others decide that it has ended.
    """

    work: Work
    writes: Writes
    spool: Spool
    sending: float
    window: float
    lease: float = 30.0
    token: int = field(factory=lambda: randbits(63))
    """Names the intent of this step, if it has one."""
    intended: bool = field(init=False, default=False)
    """Whether the intent was written, as far as is known."""
    uncertain: str | None = field(init=False, default=None)
    polled: Snapshot | None = field(init=False, default=None)
    recorded: bool = field(init=False, default=False)
    """Whether what came of the step is written, or in the spool."""
    spooled: bool = field(init=False, default=False)
    _begun: float | None = field(init=False, default=None)
    """When the intent was begun that is being written."""

    def submit(self, function: Callable[[], Any], deliver: Deliver) -> None:
        """Call a function that writes, in one transaction with other steps of the batch."""

        def pass_on(outcome: Outcome) -> Callable[[], object] | None:
            late = self._is_late()
            if late and outcome.error is None:
                outcome = Outcome(error=ConnectionFailed(_TOO_LATE))
            return deliver(outcome)

        self.writes.submit(self.work.batch, function, pass_on)

    def _is_late(self) -> bool:
        """Return whether the intent that was just written was begun longer than a lease ago."""
        begun, self._begun = self._begun, None
        return begun is not None and time.monotonic() > begun + self.lease

    def record_intent(self, intent: SubmissionIntent) -> Snapshot | None:  # noqa: ARG002
        """Record that the job is sent now, by this worker alone."""
        # Set before the commit, whose end may never be known.
        self.intended = True
        self._begun = time.monotonic()
        try:
            self.writes.begin_intent()
            moves.intend(self.writes.transaction, self.work, self.token, self.sending, self.window)
        except BaseException:
            self.intended = False
            raise
        return None

    def record_accepted(
        self, key: str, snapshot: Snapshot, *, hold: bool, reason: str | None = None
    ) -> None:
        """Record the task of the submission."""
        del key, hold
        outcome = self._accepted(snapshot, reason)
        outcome.apply(self.writes.transaction, self.work.clock.time_point(), self.work.row.id)
        self.recorded = True

    def record_accepted_later(self, key: str, snapshot: Snapshot) -> None:
        """Store the task in the spool, once: a flow that is broken off then knows less of it."""
        del key
        if not self.spooled:
            self.spool.store(self._accepted(snapshot, None))
        self.recorded = self.spooled = True

    def _accepted(self, snapshot: Snapshot, reason: str | None) -> Accepted:
        return Accepted(self.work.id, self.work.key, snapshot, is_replay(snapshot), reason)

    def record_rejected(self, key: str, reason: str) -> None:
        """Do nothing: the error that follows decides what is written."""

    def record_unsent(self, key: str, reason: str) -> None:
        """Do nothing: the error that follows decides what is written."""

    def record_uncertain(self, key: str, reason: str) -> None:
        """Note that the submission may have been accepted."""
        del key
        self.uncertain = reason

    def uploaded_links(self, key: str) -> Mapping[str, UploadedLink]:
        """Return none: jobs of a queue have no local files."""
        del key
        return {}

    def is_cached(
        self, server: str, task_id: str, folder: Path | None = None, name: str | None = None
    ) -> bool:
        """Return True: what a download asks for was read with the step."""
        del server, task_id, folder, name
        return True

    def submitted_at(self, server: str, task_id: str) -> float | None:
        """Return when the task was accepted."""
        del server, task_id
        return self.work.accepted

    def prices(self, server: str, model: str) -> list[PriceRecord]:
        """Return nothing: the batch has the credit limit."""
        del server, model
        return []

    def possible_charges(self, key: str) -> int:
        """Return how often the submission may have been accepted."""
        del key
        return self.work.sends

    def acquire_task(self, server: str, task_id: str) -> None:
        """Do nothing: the lease of the step is what a worker owns."""

    def release_task(self, server: str, task_id: str) -> None:
        """Do nothing: the lease ends with the step."""

    def record_poll(self, server: str, snapshot: Snapshot) -> None:
        """Note a poll, which is written with the next step."""
        del server
        self.polled = snapshot

    def record_done(self, server: str, snapshot: Snapshot) -> None:
        """Record how the task ended, and enqueue the download of its files."""
        del server
        ask_again = self.work.state is JobState.COMPLETED or self.work.tries < _ASKED_AGAIN
        if snapshot.succeeded and not snapshot.urls and ask_again:
            self.polled = snapshot
            return
        failure, now = snapshot.failure, self.work.clock.now()
        values: dict[str, Any] = {
            "state": str(JobState.FAILED if failure else JobState.COMPLETED),
            "code": failure.code if failure else None,
            "reason": truncated(failure.message) if failure else None,
            "links": json.dumps(snapshot.urls) if snapshot.urls else None,
            "ended": now,
            "schedule": None,
            "tries": 0,
            **snapshot_fields(snapshot),
        }
        # 0 credits are a price only now: a task that runs may be billed later.
        known = values.get("credits", self.work.credits)
        if known is not None:
            values["reserved"] = known
        following = None if failure else Following(StepKind.DOWNLOAD, 0.0, self._urgency(snapshot))
        self.move(_ACCEPTED | _COMPLETED, values, following)

    def _urgency(self, snapshot: Snapshot) -> int:
        """Return a priority above that of polls, higher the earlier the links expire."""
        expires = snapshot.links_expire_at
        known = self.work.clock.now() + LINK_LIFETIME if expires is None else expires
        return MAX_PRIORITY - 1 - int(max(0.0, known)) // 60

    def record_lost(self, server: str, task_id: str, reason: str) -> None:
        """Record that the files can't be had any more."""
        del server, task_id
        values = {"state": str(JobState.LOST), "reason": truncated(reason), "schedule": None}
        self.move(_ACCEPTED | _COMPLETED, values)

    def record_missing(
        self,
        server: str,
        task_id: str,
        reason: str,
        now: float | None = None,
    ) -> None:
        """Record that the task is lost if it may have expired; else it is polled again.

        All times are of the clock of the database.
        """
        accepted, now = self.work.accepted, self.work.clock.now()
        if accepted is None or now >= accepted + LINK_LIFETIME:
            self.record_lost(server, task_id, reason)

    def record_target_dir(
        self, server: str, task_id: str, folder: Path, name: str | None = None
    ) -> str | None:
        """Return the template of the files' names: both were recorded with the plan."""
        del server, task_id, folder
        return name or self.work.name_template

    def record_files(self, server: str, task_id: str, files: Sequence[File]) -> None:
        """Record the files, all of them stored."""
        del server, task_id
        values = {"state": str(JobState.SAVED), "links": None, "reason": None, "tries": 0}
        if not self.move(_COMPLETED, values):
            return
        for file in files:
            given = [file.index, file.path.name, file.size, bytes.fromhex(file.sha256)]
            self.writes.transaction.connection.execute(_FILE, [self.work.id, *given])

    def move(
        self,
        states: frozenset[JobState],
        values: Mapping[str, Any],
        following: Following | None = None,
    ) -> bool:
        """Write what came of the step; False if the job has another step by now."""
        # The number that was given: the job may have had another one when it was read.
        fence = Fence(self.work.id, states, step=self.work.row.step)
        row = self.work.row.id
        moved = moves.move(self.writes.transaction, fence, values, following, row=row)
        self.recorded = True
        return moved is not None

    def drop(self) -> None:
        """Remove the queue row of a step that has nothing to do."""
        self.writes.transaction.finished.append(self.work.row.id)
        self.recorded = True
