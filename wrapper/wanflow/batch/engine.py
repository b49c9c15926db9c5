"""A batch on its way: which job takes which step next, until nothing is left to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from wanflow import errors
from wanflow._core.acceptance import is_rejection, is_retryable
from wanflow._core.effects import (
    Finish,
    Finished,
    InvokeCallback,
    Spawn,
    read_clock,
    run_blocking,
    wait_next,
)
from wanflow._core.snapshot import Snapshot
from wanflow.batch.cost_limit import CostLimit, Decision
from wanflow.batch.models import BatchProgress, JobResult, JobRun, JobStatus
from wanflow.batch.poller import BatchPoller
from wanflow.batch.queue import JobQueue
from wanflow.batch.reconcile import load_states, new_key, retry_delay
from wanflow.batch.results import Results, status_for
from wanflow.ledger import JobState
from wanflow.ledger.fields import credits_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wanflow._core.effects import Flow, Notified
    from wanflow.batch.models import PlannedJob
    from wanflow.batch.steps import Steps
    from wanflow.ledger import Job

SUBMIT, TAKE_UP, CLOSE, SAVE = "submit", "take up", "close", "save"
STOP_CHECK_INTERVAL = 0.25
"""Seconds after which it is looked whether the batch was asked to stop."""
_RUNNING = frozenset({JobState.INTENT, JobState.UNCERTAIN, JobState.ACCEPTED})
# These say that no other job would fare better.
FATAL_ERRORS = (errors.AuthenticationFailed, errors.InsufficientCredits)


@define(eq=False)
class Engine:
    """The jobs of one batch, by the step that they are at or wait for."""

    steps: Steps
    prices: CostLimit
    results: Results
    watch: BatchPoller
    total: int = 0
    stop_reason: str = ""
    backlog: JobQueue = field(factory=JobQueue)
    _in_flight: dict[str, set[JobRun]] = field(
        factory=lambda: {step: set[JobRun]() for step in (SUBMIT, TAKE_UP, CLOSE, SAVE)}
    )

    def run(self, jobs: Iterable[PlannedJob]) -> Flow[None]:
        """Do every job; each leaves an outcome, whatever becomes of the others.

        Raises:
            LedgerError: the ledger can't be read.
        """
        yield from self._load_jobs(list(jobs))
        try:
            while not self._over():
                yield from self._begin()
                event = yield from wait_next(
                    (yield from self._patience()), self.watch, self.watch.turn
                )
                yield from self._handle_event(event)
                yield from self._report_progress()
        except GeneratorExit:
            raise
        except BaseException as error:
            yield from self._leave(error)
            raise
        finally:
            watched = self.watch.leave()
        if self.steps.terms.stop.is_set:
            self.stop_reason = self.stop_reason or "the batch was stopped"
        for item in [*watched, *self.backlog.remaining()]:
            yield from self.results.end(
                item, JobStatus.RESUMABLE if item.task_id else JobStatus.NOT_SENT, self.stop_reason
            )
        yield from self._report_progress()

    def _leave(self, error: BaseException) -> Flow[None]:
        """Finish what was sent, and say what is uncertain, by an error and in the log."""
        flying = {step: tuple(items) for step, items in self._in_flight.items()}
        try:
            yield Finish()
        except BaseException as second:
            self.steps.note_uncertain(second, flying[SUBMIT])
            raise
        self.steps.note_uncertain(error, flying[SUBMIT])
        for item in [*flying[TAKE_UP], *flying[CLOSE], *flying[SAVE], *self.backlog.unsaved]:
            self.steps.release(item)

    def _load_jobs(self, jobs: list[PlannedJob]) -> Flow[None]:
        """Queue what is left to do of the jobs, and tell the prices of what was done before."""
        self.total = len(jobs)
        for kind, found, attempts in (yield from load_states(self.steps, jobs)):
            self._count(kind, attempts, going_on=isinstance(found, JobRun))
            if isinstance(found, JobResult):
                yield from self.results.add(found)
            elif found.task_id is not None:
                self.backlog.resumed.append(found)
            else:
                self.backlog.submit(found)

    def _count(self, kind: str, attempts: Sequence[Job], *, going_on: bool) -> None:
        for job in attempts:
            if job.task_id is not None or job.uncertain:
                self.prices.found(
                    str(job.key),
                    kind,
                    _price(job.credits, ended=job.state not in _RUNNING),
                    under_way=going_on and job.state is JobState.ACCEPTED,
                    failed=job.state is JobState.FAILED,
                    price=job.price,
                )

    def _begin(self) -> Flow[None]:
        """Start all steps that may be taken now, those whose links die first before the others."""
        terms, steps = self.steps.terms, self.steps
        for item in self.backlog.pop_downloads(terms.saves - len(self._in_flight[SAVE])):
            yield self._start(SAVE, item, steps.download(item))
        if terms.stop.is_set:
            return
        while self.backlog.resumed and self._room():
            item = self.backlog.resumed.popleft()
            yield self._start(TAKE_UP, item, steps.resume(item))
        yield from self._begin_submissions()
        yield from self.watch.begin(busy=bool(self._in_flight[SUBMIT] or self.backlog.to_download))

    def _begin_submissions(self) -> Flow[None]:
        terms, steps = self.steps.terms, self.steps
        ticks = (yield from read_clock()).monotonic
        while (
            not self.stop_reason
            and len(self._in_flight[SUBMIT]) < terms.submissions
            and self._room()
        ):
            chosen = self.backlog.pop_next(self.prices, ticks)
            if chosen is None:
                return
            self.prices.send(chosen.key, chosen.kind)
            yield self._start(SUBMIT, chosen, steps.submit(chosen))

    def _start(self, step: str, item: JobRun, flow: Flow[object]) -> Spawn:
        self._in_flight[step].add(item)
        many = item.snapshot is not None and len(item.snapshot.urls) > 1
        return Spawn((step, item), flow, spawns=many)

    def _room(self) -> bool:
        flying = sum(len(items) for items in self._in_flight.values())
        under_way = flying + len(self.watch) + self.backlog.to_download
        return under_way < self.steps.terms.max_concurrency

    def _over(self) -> bool:
        """Tell whether nothing is left that could still be begun, or should be waited for."""
        if any(self._in_flight.values()) or self.backlog.to_download:
            return False
        if self.steps.terms.stop.is_set:
            return True
        if self.watch or self.backlog.resumed:
            return False
        return bool(self.stop_reason) or (self.backlog.next_due is None and self._exhausted())

    def _exhausted(self) -> bool:
        """Tell whether the ceiling lets no job through any more, or none is left; and say why."""
        verdicts = self.backlog.decisions(self.prices)
        if Decision.GO in verdicts:
            return False
        if verdicts:
            self.stop_reason = (
                Decision.STOP.value if Decision.STOP in verdicts else Decision.UNKNOWN_PRICE.value
            )
        return True

    def _patience(self) -> Flow[float]:
        ticks, due = (yield from read_clock()).monotonic, self.backlog.next_due
        turns = self.watch.patience(ticks), None if due is None else due - ticks
        return max(0.0, min((STOP_CHECK_INTERVAL, *(turn for turn in turns if turn is not None))))

    def _handle_event(self, event: Finished | Notified | None) -> Flow[None]:
        if isinstance(event, Finished) and isinstance(event.key, tuple):
            yield from self._handle_finished(event)
            return
        found = yield from self.watch.take_in(event)
        if found is not None:
            item, outcome = found
            if isinstance(outcome, Snapshot) and self.steps.completed(item, outcome):
                self._ended(item, outcome)
            else:
                yield self._start(CLOSE, item, self.steps.finish(item, outcome))

    def _handle_finished(self, done: Finished) -> Flow[None]:
        step, item = done.key
        self._in_flight[step].discard(item)
        if done.error is not None and not isinstance(done.error, errors.WanflowError):
            raise done.error
        match step, done.error, done.value:
            case "submit", None, Snapshot() as accepted:
                yield from self._accepted(item, accepted)
            case "take up", None, _:
                yield from self.watch.add(item, None)
            case "close", None, Snapshot() as ended:
                self._ended(item, ended)
            case "save", None, files:
                yield from self.results.saved(item, files)
            case "submit", error, _:
                yield from self._not_accepted(item, error)
            case _, error, _:
                yield from self._failed(item, error)

    def _accepted(self, item: JobRun, accepted: Snapshot) -> Flow[None]:
        item.job, item.task_id = None, accepted.id
        item.credits = credits_of(accepted.usage)
        self.prices.report(item.key, _price(item.credits, ended=False))
        if self.stop_reason or self.steps.terms.stop.is_set:
            self.steps.release(item)
            yield from self.results.end(
                item, JobStatus.RESUMABLE, "the batch was stopped; the task goes on"
            )
        else:
            yield from self.watch.add(item, accepted)

    def _ended(self, item: JobRun, ended: Snapshot) -> None:
        item.snapshot = ended
        self._settle(item, ended)
        self.backlog.add_download(item, ended.created or 0.0)

    def _settle(self, item: JobRun, ended: Snapshot | None, *, failed: bool = False) -> None:
        """Take in what a job cost that is no longer under way."""
        told = None if ended is None else credits_of(ended.usage)
        item.credits = item.credits if told is None else told
        # What a failed task used is no example for the price of others.
        self.prices.rest(item.key, failed=failed)
        self.prices.report(item.key, _price(item.credits, ended=ended is not None))

    def _not_accepted(self, item: JobRun, error: BaseException | None) -> Flow[None]:
        reason = str(error)
        item.task_id = yield from run_blocking(lambda: self.steps.own_task(item, error))
        match error:
            case errors.WanflowError() if item.task_id is not None:
                # Its task is known, though only the record failed, or the response was no success.
                self.prices.rest(item.key)
                yield from self.results.end(item, JobStatus.RESUMABLE, reason)
            case errors.LedgerError() | errors.InvalidRequest():
                self._refused(item)
                yield from self.results.end(item, status_for(error), reason)
            case errors.WanflowError() if not is_rejection(error):
                self.prices.rest(item.key)
                yield from self.results.end(item, JobStatus.UNCERTAIN, reason)
            case _:
                self._refused(item)
                hopeless = isinstance(error, FATAL_ERRORS)
                self.stop_reason = self.stop_reason or (reason if hopeless else "")
                stopped = self.steps.terms.stop.is_set and is_retryable(error)
                end = JobStatus.NOT_SENT if hopeless or stopped else JobStatus.FAILED
                yield from self.results.end(item, end, reason)

    def _refused(self, item: JobRun) -> None:
        """Count a job no more, unless it may have been accepted when it was sent before."""
        (self.prices.rest if item.resend else self.prices.release)(item.key)

    def _failed(self, item: JobRun, error: BaseException | None) -> Flow[None]:
        """Take in a wait or a save that ended with an error."""
        if not isinstance(error, errors.TaskFailed):
            self._settle(item, None)
        else:
            self._settle(item, error.snapshot, failed=True)
            pause = retry_delay(error.code, item.attempt, self.steps.terms.retries)
            if pause is not None and not self.stop_reason:
                due = (yield from read_clock()).monotonic + pause
                again = JobRun(item.planned, item.kind, new_key(), item.attempt + 1)
                self.backlog.submit_later(again, due)
                self.results.add_error(f"{error}; submitted again in {pause:g} s")
                return
        end = status_for(error)
        if isinstance(error, errors.NotFound) and (
            yield from run_blocking(lambda: self.steps.still_expected(item))
        ):
            end = JobStatus.RESUMABLE
        code = error.code if isinstance(error, errors.TaskFailed) else None
        yield from self.results.end(item, end, str(error), code)

    def _report_progress(self) -> Flow[None]:
        if self.steps.terms.on_progress is not None:
            yield InvokeCallback(self.steps.terms.on_progress, self.progress())

    def progress(self) -> BatchProgress:
        """Return how the batch stands."""
        flying = {step: len(items) for step, items in self._in_flight.items()}
        saving = flying[SAVE] + self.backlog.to_download
        running = flying[TAKE_UP] + len(self.watch) + flying[CLOSE]
        under_way = flying[SUBMIT] + running + saving
        return BatchProgress(
            total=self.total,
            saved=self.results.ends[JobStatus.SAVED],
            failed=self.results.ends[JobStatus.FAILED],
            uncertain=self.results.ends[JobStatus.UNCERTAIN],
            waiting=self.total - len(self.results.outcomes) - under_way,
            submitting=flying[SUBMIT],
            running=running,
            saving=saving,
            credits=round(self.prices.spent, 2),
            troubles=tuple(self.results.recent_errors),
        )


def _price(credits: float | None, *, ended: bool) -> float | None:  # noqa: A002 - the API's word
    """Return what a job is known to cost: nothing reserved for it doesn't say that it is free."""
    return credits if ended else credits or None


def engine_of(steps: Steps) -> Engine:
    """Make the engine of a batch that has not begun."""
    terms, prices = steps.terms, CostLimit(steps.terms.max_credits)

    def seen(item: JobRun, snapshot: Snapshot) -> None:
        told = credits_of(snapshot.usage)
        item.credits = item.credits if told is None else told
        prices.report(item.key, _price(item.credits, ended=False))

    return Engine(steps, prices, Results(terms.on_result), BatchPoller(steps, seen))
