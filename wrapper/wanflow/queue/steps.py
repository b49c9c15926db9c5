"""The steps of jobs: each is run by the client's own operations, and ends with one write."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define, field

from wanflow import errors
from wanflow._core.effects import run_blocking
from wanflow._core.error_summary import summary
from wanflow._core.snapshot import Snapshot
from wanflow._flows.operations import parse_name
from wanflow._flows.prepare import SubmitOptions
from wanflow._flows.recording import record_for
from wanflow.ledger.fields import snapshot_fields, truncated
from wanflow.ledger.job import JobState
from wanflow.ledger.rows import path_from_text
from wanflow.queue import moves, schedule
from wanflow.queue.ceiling import PriceUnknown
from wanflow.queue.database import DatabaseLost, DatabaseRefused
from wanflow.queue.engine import StepKind
from wanflow.queue.error_outcome import may_pass, outcome_of, wrong_task
from wanflow.queue.moves import Following, StepLost
from wanflow.queue.rate import RateStopped
from wanflow.queue.recorder import StepRecorder
from wanflow.queue.submission_outcome import Uncertain

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from wanflow._core.effects import Flow
    from wanflow._flows.attempt import SubmissionRecord
    from wanflow._flows.operations import Operations
    from wanflow._flows.prepare import PreparedRequest
    from wanflow._runtime.driver import AsyncDriver
    from wanflow.queue.metrics import Metrics
    from wanflow.queue.rate import SharedRate
    from wanflow.queue.spool import Spool
    from wanflow.queue.submission_outcome import SubmissionOutcome
    from wanflow.queue.work import Work
    from wanflow.queue.writes import Writes

T = TypeVar("T")

_log = logging.getLogger("wanflow")
RESEND_WINDOW = 60.0
"""Seconds from its intent in which an uncertain submission may be sent again by itself."""
MAX_TRIES = 3
MAX_OUTAGE_TRIES = 75
"""So often a step is tried while what it needs is out of order: for some six hours, so that links
still live when its user sees that the job is parked."""
_FIRST_DELAY = 2.0
_LONGEST_DELAY = 300.0
_PRICE_DELAY = 1.0
_HALTED_DELAY = 60.0
_LONGEST_POLLING = 48 * 3600.0
_DIED = "the worker that sent it died before the response was recorded"
_SENDING = frozenset({StepKind.SUBMIT, StepKind.RESOLVE})
_POLLED = frozenset({JobState.ACCEPTED})
_HALTING = (errors.AuthenticationFailed, errors.InsufficientCredits, errors.WrongBaseURL)


@define(eq=False)
class Steps:
    """Runs the steps that a worker takes.

    Polls and downloads have their own transactions, `other_writes`: one that has many of them takes
    long, and submissions, of which there are few at a time, would wait for it twice.

    `sending` is how many seconds a request may last at most, the lease included: in so many seconds
    it must begin.
    """

    operations: Callable[[StepRecorder], Operations]
    driver: AsyncDriver
    writes: Writes
    other_writes: Writes
    rate: SharedRate
    spool: Spool
    metrics: Metrics
    sending: float
    in_flight: asyncio.Semaphore
    """What a submission takes while it is in flight: the others wait with their step."""
    window: float = RESEND_WINDOW
    jitter: Callable[[], float] = field(default=random.random)
    lease: float = 30.0
    abandoned: set[int] = field(factory=set[int])
    """The queue rows of steps whose end could not be written."""
    refused: DatabaseRefused | None = None
    """Why the worker can't go on."""

    async def run(self, work: Work) -> None:
        """Run a step to its end; what can't be written now is done again later.

        Raises nothing but what ends the process.
        """
        sends = work.row.kind in _SENDING
        recorder = StepRecorder(
            work,
            self.writes if sends else self.other_writes,
            self.spool,
            self.sending,
            self.window,
            self.lease,
        )
        try:
            await self._run(work, recorder)
        except (DatabaseLost, RateStopped) as error:
            self._abandon(work, error)
        except Exception as error:
            known = isinstance(error, errors.WanflowError)
            _log.warning("a step of job %s failed: %s", work.id, summary(error), exc_info=not known)
            await self._retry(recorder, error)

    async def _run(self, work: Work, recorder: StepRecorder) -> None:
        match work.row.kind, work.state:
            case _ if not work.current:
                await self._write(recorder, recorder.drop)
            case StepKind.SUBMIT | StepKind.RESOLVE, JobState.INTENT:
                await self._resolve(recorder)
            case _ if work.row.deaths >= MAX_TRIES:
                await self._park(recorder, f"{work.row.deaths} workers died in its step")
            case StepKind.SUBMIT, JobState.PLANNED | JobState.UNCERTAIN:
                await self._submit(recorder)
            case StepKind.POLL, JobState.ACCEPTED:
                await self._poll(recorder)
            case StepKind.DOWNLOAD, JobState.COMPLETED:
                await self._download(recorder)
            case _:
                await self._write(recorder, recorder.drop)

    async def _submit(self, recorder: StepRecorder) -> None:
        work = recorder.work
        if work.halted is not None:
            # The sweeper enqueues it again when the batch goes on.
            await self._write(recorder, recorder.drop)
            return
        async with self.in_flight:
            await self.rate.acquire()
            await self._send(recorder)

    async def _send(self, recorder: StepRecorder) -> None:
        work = recorder.work
        try:
            await self.driver.run(self._submission(recorder))
            self.metrics.count("submissions_accepted")
        except StepLost:
            await self._write(recorder, recorder.drop)
        except PriceUnknown:
            await self._again(recorder, work.state, _PRICE_DELAY)
        except errors.CreditLimitExceeded as limit:
            await self._halt(recorder, str(limit))
        except Exception as error:
            await self._not_accepted(recorder, error)

    def _submission(self, recorder: StepRecorder) -> Flow[Snapshot]:
        work, operations = recorder.work, self.operations(recorder)
        options = SubmitOptions(None, validate=False, idempotency_key=work.key)
        prepared = operations.prepare(work.body, {}, options=options)

        def record(sent: PreparedRequest) -> SubmissionRecord:
            return record_for(
                recorder, operations.recording.intent(sent, operations.catalog), own=False
            )

        # One attempt for each step: the next one waits in the queue.
        return operations.submit_checked(prepared, record, lambda: True)

    async def _not_accepted(self, recorder: StepRecorder, error: Exception) -> None:
        """Write what came of a submission without a task, or keep it in the spool."""
        if recorder.recorded:
            self.metrics.count("outcomes_spooled", int(recorder.spooled))
            return
        if not recorder.intended:
            await self._not_sendable(recorder, error)
            return
        outcome = outcome_of(error, recorder, self.jitter())
        self.metrics.count(
            "submissions_uncertain"
            if isinstance(outcome, Uncertain)
            else "submissions_not_accepted"
        )
        await self._record(recorder, outcome)
        if isinstance(error, errors.APIError) and error.status in {429, 503}:
            await self.rate.slow_down(error.retry_after)

    async def _not_sendable(self, recorder: StepRecorder, error: Exception) -> None:
        """End a job whose request can't be sent any more; raise any other error."""
        if not isinstance(error, errors.InvalidRequest):
            raise error
        values = {"state": str(JobState.REJECTED), "reason": truncated(str(error))}
        await self._move(recorder, frozenset({JobState.PLANNED}), values)

    async def _record(self, recorder: StepRecorder, outcome: SubmissionOutcome) -> None:
        work = recorder.work

        def write() -> None:
            outcome.apply(recorder.writes.transaction, work.clock.time_point(), work.row.id)

        try:
            await self._write(recorder, write)
        except errors.LedgerError:
            self.metrics.count("outcomes_spooled")
            await self.driver.run(run_blocking(lambda: self.spool.store(outcome)))

    async def _resolve(self, recorder: StepRecorder) -> None:
        """Decide about an intent without an outcome, once its request has certainly ended."""
        work = recorder.work
        left = (work.sending_until or 0.0) - work.clock.now()
        if left > 0:
            following = Following(StepKind.RESOLVE, left)
            await self._move(recorder, frozenset({work.state}), {}, following)
            return
        self.metrics.count("submissions_uncertain")
        fresh = work.resubmit and 0 <= work.clock.now() - work.intended < self.window
        values = {"state": str(JobState.UNCERTAIN), "reason": _DIED}
        again = Following(StepKind.SUBMIT) if fresh else None

        def write() -> None:
            if recorder.move(frozenset({JobState.INTENT}), values, again) and fresh:
                moves.end_canceled(recorder.writes.transaction, work.id)

        await self._write(recorder, write)

    async def _poll(self, recorder: StepRecorder) -> None:
        work = recorder.work
        assert work.task is not None
        if work.accepted is not None and work.clock.now() > work.accepted + _LONGEST_POLLING:
            await self._park(recorder, "its task had not ended after 48 hours")
            return
        await self.rate.acquire()
        self.metrics.count("polls")
        found, pause = None, 0.0
        try:
            found = await self.driver.run(self.operations(recorder).poll(work.task))
        except errors.APIError as error:
            wrong = wrong_task(error, work)
            if wrong is not None:
                await self._park(recorder, wrong)
                return
            pause = await self._pause_after(recorder, error)
        except errors.ConnectionFailed:
            pass
        if not recorder.recorded:
            await self._poll_again(recorder, found, pause)

    async def _pause_after(self, recorder: StepRecorder, error: errors.APIError) -> float:
        """Do for the other jobs what a rejected poll asks for; return the seconds to the next."""
        if isinstance(error, errors.NotFound):
            return _FIRST_DELAY
        if isinstance(error, _HALTING):
            await self._halt_batch(recorder, str(error))
            return _HALTED_DELAY
        if isinstance(error, errors.RateLimited):
            await self.rate.slow_down(error.retry_after)
        return min(error.retry_after or 0.0, schedule.MAX_PAUSE)

    async def _poll_again(
        self, recorder: StepRecorder, found: Snapshot | None, pause: float
    ) -> None:
        work, now = recorder.work, recorder.work.clock.time_point()
        before = schedule.from_text(work.schedule, work.accepted, now.monotonic)
        after, delay = schedule.after_poll(before, now, found, self.jitter())
        values: dict[str, Any] = {"schedule": schedule.to_text(after)}
        if found is not None:
            values |= snapshot_fields(found)
            values["tries"] = work.tries + 1 if found.done else 0
            if values.get("credits"):
                values["reserved"] = values["credits"]
        following = Following(StepKind.POLL, max(delay, pause), notified_delay=pause)
        await self._move(recorder, _POLLED, values, following)

    async def _download(self, recorder: StepRecorder) -> None:
        work = recorder.work
        assert work.task is not None
        if work.folder is None:
            await self._park(recorder, "no folder was chosen for its files")
            return
        if not work.links:
            await self._ask_for_links(recorder, work.task)
            return
        done = Snapshot(work.task, "completed", work.model, 100, work.created, urls=work.links)
        operations = self.operations(recorder)
        job = operations.download_job(
            done, path_from_text(work.folder), name=parse_name(work.name_template)
        )
        try:
            await self.driver.run(operations.recording.download(job))
            self.metrics.count("jobs_saved")
        except errors.LinkExpired:
            self.metrics.count("jobs_lost")

    async def _ask_for_links(self, recorder: StepRecorder, task: str) -> None:
        """Poll a completed task that had no links; those that it has now are downloaded next."""
        await self.rate.acquire()
        self.metrics.count("polls")
        await self.driver.run(self.operations(recorder).poll(task))
        if not recorder.recorded:
            raise errors.DownloadFailed(f"task {task} has no links to download")

    async def _retry(self, recorder: StepRecorder, error: Exception) -> None:
        """Enqueue a step that failed again; park the job after the tries that its error allows."""
        work, reason = recorder.work, f"{type(error).__name__}: {error}"
        try:
            if work.tries + 1 >= (MAX_OUTAGE_TRIES if may_pass(error) else MAX_TRIES):
                await self._park(recorder, reason)
                return
            delay = min(_LONGEST_DELAY, _FIRST_DELAY * 4.0**work.tries)
            values = {"tries": work.tries + 1, "reason": truncated(reason)}
            await self._move(
                recorder, frozenset({work.state}), values, Following(work.row.kind, delay)
            )
        except errors.LedgerError as lost:
            self._abandon(work, lost)

    def _abandon(self, work: Work, error: errors.LedgerError | RateStopped) -> None:
        """Leave a step, which is given back as soon as that is possible.

        Its end can't be written, or it hasn't begun.
        """
        self.abandoned.add(work.row.id)
        if isinstance(error, DatabaseRefused):
            self.refused = error
        if isinstance(error, errors.LedgerError):
            self.metrics.count("steps_abandoned")
            _log.info("a step of job %s is done again later: %s", work.id, error)

    async def _park(self, recorder: StepRecorder, reason: str) -> None:
        self.metrics.count("jobs_parked")
        values = {"parked": truncated(reason)}
        await self._move(recorder, frozenset({recorder.work.state}), values)

    async def _again(self, recorder: StepRecorder, state: JobState, delay: float) -> None:
        await self._move(recorder, frozenset({state}), {}, Following(recorder.work.row.kind, delay))

    async def _halt(self, recorder: StepRecorder, reason: str) -> None:
        """Halt the batch, and leave the job to the time when it goes on."""
        await self._halt_batch(recorder, reason)
        await self._write(recorder, recorder.drop)

    async def _halt_batch(self, recorder: StepRecorder, reason: str) -> None:
        batch = recorder.work.batch
        if batch is not None:
            await self._write(
                recorder, lambda: moves.halt(recorder.writes.transaction, batch, truncated(reason))
            )

    async def _move(
        self,
        recorder: StepRecorder,
        states: frozenset[JobState],
        values: dict[str, Any],
        following: Following | None = None,
    ) -> None:
        await self._write(recorder, lambda: recorder.move(states, values, following))

    async def _write(self, recorder: StepRecorder, function: Callable[[], T]) -> T:
        """Write in one transaction with the steps that end meanwhile."""
        return await self.driver.run(run_blocking(function, recorder.submit))
