"""A batch on its way: which job takes which step next, until nothing is left to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from wanflow import errors
from wanflow._core.acceptance import is_rejection, is_retryable
from wanflow._core.effects import Done, Finish, Notify, Start, act, join, now
from wanflow._core.snapshot import Snapshot
from wanflow.batch.cost_limit import Prices, Verdict
from wanflow.batch.models import End, Item, Outcome, Tally
from wanflow.batch.poller import Watch
from wanflow.batch.queue import Backlog
from wanflow.batch.reconcile import admit, new_key, pause_before_again
from wanflow.batch.results import Results, end_of
from wanflow.ledger import State
from wanflow.ledger.fields import credits_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wanflow._core.effects import Flow, Rung
    from wanflow.batch.models import Planned
    from wanflow.batch.steps import Steps
    from wanflow.ledger import Job

SUBMIT, TAKE_UP, CLOSE, SAVE = "submit", "take up", "close", "save"
_GLANCE = 0.25
"""Seconds after which it is looked whether the batch was asked to stop."""
_RUNNING = frozenset({State.INTENT, State.UNCERTAIN, State.ACCEPTED})
# These say that no other job would fare better.
_HOPELESS = (errors.AuthenticationFailed, errors.InsufficientCredits)


@define(eq=False)
class Engine:
    """The jobs of one batch, by the step that they are at or wait for."""

    steps: Steps
    prices: Prices
    results: Results
    watch: Watch
    total: int = 0
    halted: str = ""
    backlog: Backlog = field(factory=Backlog)
    _flying: dict[str, set[Item]] = field(
        factory=lambda: {step: set[Item]() for step in (SUBMIT, TAKE_UP, CLOSE, SAVE)}
    )

    def run(self, jobs: Iterable[Planned]) -> Flow[None]:
        """Do every job; each leaves an outcome, whatever becomes of the others.

        Raises:
            LedgerError: the ledger can't be read.
        """
        yield from self._admit(list(jobs))
        try:
            while not self._over():
                yield from self._begin()
                event = yield from join((yield from self._patience()), self.watch, self.watch.turn)
                yield from self._hear(event)
                yield from self._tell()
        except GeneratorExit:
            raise
        except BaseException as error:
            yield from self._leave(error)
            raise
        finally:
            watched = self.watch.leave()
        if self.steps.terms.stop.asked:
            self.halted = self.halted or "the batch was stopped"
        for item in [*watched, *self.backlog.left()]:
            yield from self.results.end(item, End.OPEN if item.task_id else End.UNSENT, self.halted)
        yield from self._tell()

    def _leave(self, error: BaseException) -> Flow[None]:
        """Finish what was sent, and say what is uncertain, by an error and in the log."""
        flying = {step: tuple(items) for step, items in self._flying.items()}
        try:
            yield Finish()
        except BaseException as second:
            self.steps.note_uncertain(second, flying[SUBMIT])
            raise
        self.steps.note_uncertain(error, flying[SUBMIT])
        for item in [*flying[TAKE_UP], *flying[CLOSE], *flying[SAVE], *self.backlog.unsaved]:
            self.steps.let_go(item)

    def _admit(self, jobs: list[Planned]) -> Flow[None]:
        """Queue what is left to do of the jobs, and tell the prices of what was done before."""
        self.total = len(jobs)
        for kind, found, attempts in (yield from admit(self.steps, jobs)):
            self._count(kind, attempts, going_on=isinstance(found, Item))
            if isinstance(found, Outcome):
                yield from self.results.file(found)
            elif found.task_id is not None:
                self.backlog.resumed.append(found)
            else:
                self.backlog.submit(found)

    def _count(self, kind: str, attempts: Sequence[Job], *, going_on: bool) -> None:
        for job in attempts:
            if job.task_id is not None or job.in_doubt:
                self.prices.found(
                    str(job.key),
                    kind,
                    _price(job.credits, ended=job.state not in _RUNNING),
                    under_way=going_on and job.state is State.ACCEPTED,
                    failed=job.state is State.FAILED,
                    price=job.price,
                )

    def _begin(self) -> Flow[None]:
        """Start all steps that may be taken now, those whose links die first before the others."""
        terms, steps = self.steps.terms, self.steps
        for item in self.backlog.saves(terms.saves - len(self._flying[SAVE])):
            yield self._start(SAVE, item, steps.save(item))
        if terms.stop.asked:
            return
        while self.backlog.resumed and self._room():
            item = self.backlog.resumed.popleft()
            yield self._start(TAKE_UP, item, steps.take_up(item))
        yield from self._begin_submissions()
        yield from self.watch.begin(busy=bool(self._flying[SUBMIT] or self.backlog.to_save))

    def _begin_submissions(self) -> Flow[None]:
        terms, steps = self.steps.terms, self.steps
        ticks = (yield from now()).ticks
        while not self.halted and len(self._flying[SUBMIT]) < terms.submissions and self._room():
            chosen = self.backlog.next(self.prices, ticks)
            if chosen is None:
                return
            self.prices.send(chosen.key, chosen.kind)
            yield self._start(SUBMIT, chosen, steps.submit(chosen))

    def _start(self, step: str, item: Item, flow: Flow[object]) -> Start:
        self._flying[step].add(item)
        many = item.snapshot is not None and len(item.snapshot.results) > 1
        return Start((step, item), flow, many=many)

    def _room(self) -> bool:
        flying = sum(len(items) for items in self._flying.values())
        under_way = flying + len(self.watch) + self.backlog.to_save
        return under_way < self.steps.terms.in_flight

    def _over(self) -> bool:
        """Tell whether nothing is left that could still be begun, or should be waited for."""
        if any(self._flying.values()) or self.backlog.to_save:
            return False
        if self.steps.terms.stop.asked:
            return True
        if self.watch or self.backlog.resumed:
            return False
        return bool(self.halted) or (self.backlog.due is None and self._exhausted())

    def _exhausted(self) -> bool:
        """Tell whether the ceiling lets no job through any more, or none is left; and say why."""
        verdicts = self.backlog.verdicts(self.prices)
        if Verdict.GO in verdicts:
            return False
        if verdicts:
            self.halted = Verdict.STOP.value if Verdict.STOP in verdicts else Verdict.BLIND.value
        return True

    def _patience(self) -> Flow[float]:
        ticks, due = (yield from now()).ticks, self.backlog.due
        turns = self.watch.patience(ticks), None if due is None else due - ticks
        return max(0.0, min((_GLANCE, *(turn for turn in turns if turn is not None))))

    def _hear(self, event: Done | Rung | None) -> Flow[None]:
        if isinstance(event, Done) and isinstance(event.key, tuple):
            yield from self._take_in(event)
            return
        found = yield from self.watch.take_in(event)
        if found is not None:
            item, outcome = found
            if isinstance(outcome, Snapshot) and self.steps.completed(item, outcome):
                self._ended(item, outcome)
            else:
                yield self._start(CLOSE, item, self.steps.close(item, outcome))

    def _take_in(self, done: Done) -> Flow[None]:
        step, item = done.key
        self._flying[step].discard(item)
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

    def _accepted(self, item: Item, accepted: Snapshot) -> Flow[None]:
        item.job, item.task_id = None, accepted.id
        item.credits = credits_of(accepted.usage)
        self.prices.report(item.key, _price(item.credits, ended=False))
        if self.halted or self.steps.terms.stop.asked:
            self.steps.let_go(item)
            yield from self.results.end(item, End.OPEN, "the batch was stopped; the task goes on")
        else:
            yield from self.watch.add(item, accepted)

    def _ended(self, item: Item, ended: Snapshot) -> None:
        item.snapshot = ended
        self._settle(item, ended)
        self.backlog.save(item, ended.created or 0.0)

    def _settle(self, item: Item, ended: Snapshot | None, *, failed: bool = False) -> None:
        """Take in what a job cost that is no longer under way."""
        told = None if ended is None else credits_of(ended.usage)
        item.credits = item.credits if told is None else told
        # What a failed task used is no example for the price of others.
        self.prices.rest(item.key, failed=failed)
        self.prices.report(item.key, _price(item.credits, ended=ended is not None))

    def _not_accepted(self, item: Item, error: BaseException | None) -> Flow[None]:
        reason = str(error)
        item.task_id = yield from act(lambda: self.steps.own_task(item, error))
        match error:
            case errors.WanflowError() if item.task_id is not None:
                # Its task is known, though only the record failed, or the response was no success.
                self.prices.rest(item.key)
                yield from self.results.end(item, End.OPEN, reason)
            case errors.LedgerError() | errors.InvalidRequest():
                self._refused(item)
                yield from self.results.end(item, end_of(error), reason)
            case errors.WanflowError() if not is_rejection(error):
                self.prices.rest(item.key)
                yield from self.results.end(item, End.UNCERTAIN, reason)
            case _:
                self._refused(item)
                hopeless = isinstance(error, _HOPELESS)
                self.halted = self.halted or (reason if hopeless else "")
                stopped = self.steps.terms.stop.asked and is_retryable(error)
                end = End.UNSENT if hopeless or stopped else End.FAILED
                yield from self.results.end(item, end, reason)

    def _refused(self, item: Item) -> None:
        """Count a job no more, unless it may have been accepted when it was sent before."""
        (self.prices.rest if item.resend else self.prices.forget)(item.key)

    def _failed(self, item: Item, error: BaseException | None) -> Flow[None]:
        """Take in a wait or a save that ended with an error."""
        if not isinstance(error, errors.TaskFailed):
            self._settle(item, None)
        else:
            self._settle(item, error.snapshot, failed=True)
            pause = pause_before_again(error.code, item.attempt, self.steps.terms.retries)
            if pause is not None and not self.halted:
                due = (yield from now()).ticks + pause
                again = Item(item.planned, item.kind, new_key(), item.attempt + 1)
                self.backlog.submit_later(again, due)
                self.results.trouble(f"{error}; submitted again in {pause:g} s")
                return
        end = end_of(error)
        if isinstance(error, errors.NotFound) and (yield from act(lambda: self.steps.knows(item))):
            end = End.OPEN
        code = error.code if isinstance(error, errors.TaskFailed) else None
        yield from self.results.end(item, end, str(error), code)

    def _tell(self) -> Flow[None]:
        if self.steps.terms.on_tally is not None:
            yield Notify(self.steps.terms.on_tally, self.tally())

    def tally(self) -> Tally:
        """Return how the batch stands."""
        flying = {step: len(items) for step, items in self._flying.items()}
        saving = flying[SAVE] + self.backlog.to_save
        running = flying[TAKE_UP] + len(self.watch) + flying[CLOSE]
        under_way = flying[SUBMIT] + running + saving
        return Tally(
            total=self.total,
            saved=self.results.ends[End.SAVED],
            failed=self.results.ends[End.FAILED],
            uncertain=self.results.ends[End.UNCERTAIN],
            waiting=self.total - len(self.results.outcomes) - under_way,
            submitting=flying[SUBMIT],
            running=running,
            saving=saving,
            credits=round(self.prices.spent, 2),
            troubles=tuple(self.results.troubles),
        )


def _price(credits: float | None, *, ended: bool) -> float | None:  # noqa: A002 - the API's word
    """Return what a job is known to cost: nothing reserved for it doesn't say that it is free."""
    return credits if ended else credits or None


def engine_of(steps: Steps) -> Engine:
    """Make the engine of a batch that has not begun."""
    terms, prices = steps.terms, Prices(steps.terms.max_credits)

    def seen(item: Item, snapshot: Snapshot) -> None:
        told = credits_of(snapshot.usage)
        item.credits = item.credits if told is None else told
        prices.report(item.key, _price(item.credits, ended=False))

    return Engine(steps, prices, Results(terms.on_outcome), Watch(steps, seen))
