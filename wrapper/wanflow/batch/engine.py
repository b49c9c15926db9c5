"""The engine of a batch: decides which job takes which step next, until all are done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from wanflow import errors
from wanflow._core.arguments import new_idempotency_key
from wanflow._core.effects import (
    Finish,
    Finished,
    InvokeCallback,
    Spawn,
    WaitNext,
    read_clock,
    run_blocking,
)
from wanflow._core.snapshot import Snapshot, credits_of
from wanflow._core.submission_response import is_rejection, is_retryable
from wanflow.batch.cost_limit import CostLimit, Decision
from wanflow.batch.models import BatchProgress, JobResult, JobRun, JobStatus
from wanflow.batch.poller import BatchPoller
from wanflow.batch.queue import JobQueue
from wanflow.batch.reconcile import load_states, retry_delay
from wanflow.batch.results import Results, status_for
from wanflow.batch.total import Total
from wanflow.ledger import JobState
from wanflow.ledger.fields import is_replay

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wanflow._core.effects import Flow, Notified
    from wanflow.batch.models import PlannedJob
    from wanflow.batch.steps import Steps
    from wanflow.ledger import Job

SUBMIT, RESUME, FINISH, DOWNLOAD = "submit", "resume", "finish", "download"
STOP_CHECK_INTERVAL = 0.25
"""Seconds between checks of the stop signal."""
_RUNNING = frozenset({JobState.INTENT, JobState.UNCERTAIN, JobState.ACCEPTED})
# With these errors, all other jobs would fail too.
FATAL_ERRORS = (errors.AuthenticationFailed, errors.InsufficientCredits, errors.WrongBaseURL)


@define(eq=False)
class Engine:
    """The jobs of one batch, by the step that they are in or wait for."""

    steps: Steps
    costs: CostLimit
    results: Results
    poller: BatchPoller
    total: int = 0
    stop_reason: str = ""
    queue: JobQueue = field(factory=JobQueue)
    _in_flight: dict[str, set[JobRun]] = field(
        factory=lambda: {step: set[JobRun]() for step in (SUBMIT, RESUME, FINISH, DOWNLOAD)}
    )

    def run(self, jobs: Iterable[PlannedJob]) -> Flow[None]:
        """Run every job; each gets a result, even if others fail.

        Raises:
            LedgerError: the ledger can't be read.
        """
        yield from self._load_jobs(list(jobs))
        try:
            while not self._is_finished():
                now = (yield from read_clock()).monotonic
                yield from self._start_steps(now)
                event: Finished | Notified | None = yield WaitNext(
                    self._wait_time(now), self.poller, self.poller.turn
                )
                yield from self._handle_event(event)
                yield from self._report_progress()
        except GeneratorExit:
            raise
        except BaseException as error:
            yield from self._abort(error)
            raise
        else:
            yield from self.poller.interrupt("StopSignal")
        finally:
            polled = self.poller.stop()
        if self.steps.options.stop.is_set:
            self.stop_reason = self.stop_reason or "the batch was stopped"
        for item in [*polled, *self.queue.remaining()]:
            yield from self.results.add_unsaved(
                item, JobStatus.RESUMABLE if item.task_id else JobStatus.NOT_SENT, self.stop_reason
            )
        yield from self._report_progress()

    def _abort(self, error: BaseException) -> Flow[None]:
        """Finish the steps in flight, and note uncertain submissions in the error and the log."""
        in_flight = {step: tuple(items) for step, items in self._in_flight.items()}
        try:
            yield Finish()
        except BaseException as second:
            yield from self.steps.note_uncertain(second, in_flight[SUBMIT])
            raise
        yield from self.steps.note_uncertain(error, in_flight[SUBMIT])
        yield from self.poller.interrupt(type(error).__name__)
        for item in [
            *in_flight[RESUME],
            *in_flight[FINISH],
            *in_flight[DOWNLOAD],
            *self.queue.pending_downloads,
        ]:
            self.steps.release(item)

    def _load_jobs(self, jobs: list[PlannedJob]) -> Flow[None]:
        """Queue what is left to do, and restore the costs of earlier submissions."""
        self.total = len(jobs)
        if self.costs.max_credits is not None:
            yield from self._expect_prices({job.model for job in jobs})
        for price_class, state, attempts in (yield from load_states(self.steps, jobs)):
            self._restore_costs(price_class, attempts, in_flight=isinstance(state, JobRun))
            if isinstance(state, JobResult):
                yield from self.results.add(state)
            elif state.task_id is not None:
                self.queue.to_resume.append(state)
            else:
                self.queue.add_submission(state)

    def _expect_prices(self, models: set[str]) -> Flow[None]:
        """Read what jobs of other batches cost."""
        for record in (yield from run_blocking(lambda: self.steps.prices(models))):
            self.costs.expect(record.price_class, record.price)

    def _restore_costs(self, price_class: str, attempts: Sequence[Job], *, in_flight: bool) -> None:
        for job in attempts:
            if job.task_id is not None or job.uncertain or job.state is JobState.DISCARDED:
                self.costs.restore(
                    str(job.key),
                    price_class,
                    _known_price(job.credits, done=job.state not in _RUNNING),
                    in_flight=in_flight and job.state is JobState.ACCEPTED,
                    failed=job.state is JobState.FAILED,
                    price=job.price,
                    sends=job.sends,
                )

    def _start_steps(self, now: float) -> Flow[None]:
        """Start all steps that may start now; downloads whose links expire first come first."""
        options, steps = self.steps.options, self.steps
        for item in self.queue.pop_downloads(
            options.max_downloads - len(self._in_flight[DOWNLOAD])
        ):
            yield self._spawn(DOWNLOAD, item, steps.download(item))
        if options.stop.is_set:
            return
        while self.queue.to_resume and self._has_capacity():
            item = self.queue.to_resume.popleft()
            yield self._spawn(RESUME, item, steps.resume(item))
        yield from self._start_submissions(now)
        yield from self.poller.start_due_polls(
            now, busy=bool(self._in_flight[SUBMIT] or self.queue.download_count)
        )

    def _start_submissions(self, now: float) -> Flow[None]:
        options, steps = self.steps.options, self.steps
        while (
            not self.stop_reason
            and len(self._in_flight[SUBMIT]) < options.max_submissions
            and self._has_capacity()
        ):
            item = self.queue.pop_submission(self.costs, now)
            if item is None:
                return
            self.costs.reserve(item.key, item.price_class)
            yield self._spawn(SUBMIT, item, steps.submit(item))

    def _spawn(self, step: str, item: JobRun, flow: Flow[object]) -> Spawn:
        self._in_flight[step].add(item)
        return Spawn((step, item), flow)

    def _has_capacity(self) -> bool:
        steps = sum(map(len, self._in_flight.values()))
        in_flight = steps + len(self.poller) + self.queue.download_count
        return in_flight < self.steps.options.max_concurrency

    def _is_finished(self) -> bool:
        """Whether no step is in flight, and none can start."""
        if any(self._in_flight.values()) or self.queue.download_count:
            return False
        if self.steps.options.stop.is_set:
            return True
        if self.poller or self.queue.to_resume:
            return False
        return bool(self.stop_reason) or (self.queue.next_due is None and self._all_submitted())

    def _all_submitted(self) -> bool:
        """Whether no job is left or the credit limit allows none; set the stop reason."""
        decisions = self.queue.decisions(self.costs)
        if Decision.GO in decisions:
            return False
        if decisions:
            self.stop_reason = (
                Decision.STOP.value if Decision.STOP in decisions else Decision.UNKNOWN_PRICE.value
            )
        return True

    def _wait_time(self, now: float) -> float:
        poll, due = self.poller.time_until_next(now), self.queue.next_due
        until_poll = STOP_CHECK_INTERVAL if poll is None else poll
        until_due = STOP_CHECK_INTERVAL if due is None else due - now
        return max(0.0, min(STOP_CHECK_INTERVAL, until_poll, until_due))

    def _handle_event(self, event: Finished | Notified | None) -> Flow[None]:
        if isinstance(event, Finished) and isinstance(event.key, tuple):
            yield from self._handle_finished(event)
            return
        polled = yield from self.poller.handle_event(event)
        if polled is not None:
            item, outcome = polled
            if isinstance(outcome, Snapshot) and self.steps.record_done(item, outcome):
                self._on_done(item, outcome)
            else:
                yield self._spawn(FINISH, item, self.steps.finish(item, outcome))

    def _handle_finished(self, done: Finished) -> Flow[None]:
        step, item = done.key
        self._in_flight[step].discard(item)
        if done.error is not None and not isinstance(done.error, errors.WanflowError):
            raise done.error
        match step, done.error, done.value:
            case "submit", None, Snapshot() as accepted:
                yield from self._on_accepted(item, accepted)
            case "resume", None, _:
                yield from self.poller.add(item, None)
            case "finish", None, Snapshot() as ended:
                self._on_done(item, ended)
            case "download", None, files:
                yield from self.results.add_saved(item, files)
            case "submit", error, _:
                yield from self._on_not_accepted(item, error)
            case _, error, _:
                yield from self._on_failed(item, error)

    def _on_accepted(self, item: JobRun, accepted: Snapshot) -> Flow[None]:
        item.recorded, item.task_id = None, accepted.id
        item.credits = credits_of(accepted.usage)
        self.costs.record(item.key, _known_price(item.credits, done=False))
        if is_replay(accepted):
            self.costs.forget_resends(item.key)
        if self.stop_reason or self.steps.options.stop.is_set:
            self.steps.release(item)
            yield from self.results.add_unsaved(
                item, JobStatus.RESUMABLE, "the batch was stopped; the task is still running"
            )
        else:
            yield from self.poller.add(item, accepted)

    def _on_done(self, item: JobRun, done: Snapshot) -> None:
        item.snapshot = done
        self._settle_cost(item, done)
        self.queue.add_download(item, done.created or 0.0)

    def _settle_cost(self, item: JobRun, done: Snapshot | None, *, failed: bool = False) -> None:
        """Record the cost of a job that is no longer in flight."""
        reported = None if done is None else credits_of(done.usage)
        item.credits = item.credits if reported is None else reported
        # The price of a failed task is not used to estimate others.
        self.costs.settle(item.key, failed=failed)
        self.costs.record(item.key, _known_price(item.credits, done=done is not None))

    def _on_not_accepted(self, item: JobRun, error: BaseException | None) -> Flow[None]:
        reason = str(error)
        item.task_id = yield from run_blocking(lambda: self.steps.own_task(item, error))
        match error:
            case errors.WanflowError() if item.task_id is not None:
                # The task is known: only recording it failed, or the response was not a success.
                self.costs.settle(item.key)
                yield from self.results.add_unsaved(item, JobStatus.RESUMABLE, reason)
            case errors.LedgerError() | errors.InvalidRequest() | errors.UploadFailed():
                self.costs.release(item.key)
                yield from self.results.add_unsaved(item, status_for(error), reason)
            case errors.WanflowError() if not is_rejection(error):
                self.costs.settle(item.key)
                yield from self.results.add_unsaved(item, JobStatus.UNCERTAIN, reason)
            case _:
                self.costs.release(item.key)
                is_fatal = isinstance(error, FATAL_ERRORS)
                self.stop_reason = self.stop_reason or (reason if is_fatal else "")
                stopped = self.steps.options.stop.is_set and is_retryable(error)
                status = JobStatus.NOT_SENT if is_fatal or stopped else JobStatus.FAILED
                yield from self.results.add_unsaved(item, status, reason)

    def _on_failed(self, item: JobRun, error: BaseException | None) -> Flow[None]:
        """Handle an error of a wait or a download."""
        if not isinstance(error, errors.TaskFailed):
            self._settle_cost(item, None)
        else:
            self._settle_cost(item, error.snapshot, failed=True)
            delay = retry_delay(error.code, item.attempt, self.steps.options.retries)
            if delay is not None and not self.stop_reason:
                due = (yield from read_clock()).monotonic + delay
                retry = JobRun(item.job, item.price_class, new_idempotency_key(), item.attempt + 1)
                self.queue.add_resubmission(retry, due)
                self.results.add_error(f"{error}; resubmitting in {delay:g} s")
                return
        status = status_for(error)
        if isinstance(error, errors.NotFound) and (
            yield from run_blocking(lambda: self.steps.still_expected(item))
        ):
            status = JobStatus.RESUMABLE
        code = error.code if isinstance(error, errors.TaskFailed) else None
        yield from self.results.add_unsaved(item, status, str(error), code)

    def _report_progress(self) -> Flow[None]:
        if self.steps.options.on_progress is not None:
            yield InvokeCallback(self.steps.options.on_progress, self.progress())

    @property
    def cost(self) -> Total:
        """What the batch cost so far."""
        counts = self.results.counts
        unknown = counts[JobStatus.UNCERTAIN] + counts[JobStatus.DISCARDED]
        return Total.of(self.costs.spent, perhaps=unknown > 0 or self.costs.sent_again)

    def progress(self) -> BatchProgress:
        """Return the progress of the batch."""
        in_flight = {step: len(items) for step, items in self._in_flight.items()}
        saving = in_flight[DOWNLOAD] + self.queue.download_count
        running = in_flight[RESUME] + len(self.poller) + in_flight[FINISH]
        active = in_flight[SUBMIT] + running + saving
        cost = self.cost
        return BatchProgress(
            total=self.total,
            saved=self.results.counts[JobStatus.SAVED],
            failed=self.results.counts[JobStatus.FAILED],
            uncertain=self.results.counts[JobStatus.UNCERTAIN],
            waiting=self.total - len(self.results.job_results) - active,
            submitting=in_flight[SUBMIT],
            running=running,
            saving=saving,
            credits=cost.credits,
            credits_at_most=cost.at_most,
            discarded=self.results.counts[JobStatus.DISCARDED],
            recent_errors=tuple(self.results.recent_errors),
        )


def _known_price(credits: float | None, *, done: bool) -> float | None:  # noqa: A002 - the API's word
    """Return the known price of a job: until it is done, 0 credits mean that it is unknown."""
    return credits if done else credits or None


def make_engine(steps: Steps) -> Engine:
    """Make the engine of a new batch."""
    options, costs = steps.options, CostLimit(steps.options.max_credits)

    def on_poll(item: JobRun, snapshot: Snapshot) -> None:
        reported = credits_of(snapshot.usage)
        item.credits = item.credits if reported is None else reported
        costs.record(item.key, _known_price(item.credits, done=False))

    return Engine(steps, costs, Results(options.on_result), BatchPoller(steps, on_poll))
