"""Look at a task, once or until it has ended."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from attrs import define, field, frozen

from wanflow import errors
from wanflow._core import error_mapping, poll_schedule
from wanflow._core.effects import Emit, Fault, Notify, act, alone, draw, now, send, sleep
from wanflow._core.failure_codes import task_failed
from wanflow._core.flow import Script
from wanflow._core.poll_schedule import Track
from wanflow._core.rate_limiter import LONGEST_PAUSE, Turn, bounded
from wanflow._core.snapshot import Snapshot, read_snapshot
from wanflow._flows.error_context import about
from wanflow._log import RETURNED, log

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow._core.effects import Effect, Flow, Instant, Request
    from wanflow._core.rate_limiter import Budget

    OnUpdate: TypeAlias = Callable[[Snapshot], object] | None

# These end a wait: what they say of the key, the account or the id will not change by itself.
_FINAL = frozenset({400, 401, 402, 403, 404})
_TOO_MANY = 429
# Seconds that a poll is given at least: the last one of a wait begins when its time is up.
_SHORTEST_POLL = 1.0
_NOT_FOUND = 404
# For so many seconds after its submission a task may be unknown to the server that is asked.
_LAG = 60.0
# So often a completed task without links is asked again, after the pauses that follow an error.
_ASKED_AGAIN = 3


@define
class Polled:
    """What the polls of one wait have found: the last state, and how often links were missing."""

    state: tuple[str, int | None] | None = None
    without_links: int = 0


@frozen
class Question:
    """A task to be asked about: the request that does, and what is known of it so far.

    `submitted` is in unix seconds, `estimate` in seconds from the submission; both come with the
    answer to it, which counts as a look. `accepted` is the same as `submitted` by this machine's
    clock, and `recall` reads it, where it isn't known; that may block.
    """

    task_id: str
    request: Request
    budget: Budget
    submitted: float | None = None
    estimate: float | None = None
    strange: set[str] = field(factory=set[str], repr=False)
    """Status words that the documents don't have, and that were told of already."""
    accepted: float | None = None
    recall: Callable[[], float | None] | None = field(default=None, repr=False)
    polled: Polled = field(factory=Polled, repr=False)

    def track(self, instant: Instant) -> Track:
        """Begin to follow the task."""
        return Track(instant.ticks, estimate=self.estimate).submitted(instant, self.submitted)

    def first(self, instant: Instant, track: Track, chance: float) -> float:
        """Return the seconds until the first look: none where nobody knows how old the task is."""
        known = self.submitted is not None and track.begun < instant.ticks
        return track.first(instant.ticks, chance) if known else 0.0


@frozen
class Look:
    """What a look gave: the task, or the fault instead, and the pause that was asked for.

    `bare` is a completed task whose links may still come.
    """

    found: Snapshot | None
    asked: float | None = None
    fault: str | None = None
    bare: Snapshot | None = None

    def at(self, ticks: float, deadline: float) -> Look:
        """Return the look as it counts: after the deadline, no links will come any more."""
        return self if self.bare is None or ticks < deadline else Look(self.bare)


def query(request: Request, task_id: str, timeout: float | None = None) -> Flow[Snapshot]:
    """Look at a task once, within `timeout` seconds where that is less than the client's own.

    Raises:
        ConnectionFailed: no answer came.
        APIError: the API answered with an error, or with something that is no task.
    """
    try:
        reply = yield from send(request, timeout)
    except Fault as fault:
        message = f"no answer about task {task_id}: {fault.reason}"
        raise errors.ConnectionFailed(message, task_id=task_id) from fault
    if reply.status != 200:  # noqa: PLR2004
        unix = (yield from now()).unix
        raise error_mapping.api_error(reply, unix=unix, task_id=task_id)
    try:
        return read_snapshot(reply.content, task_id)
    except ValueError as error:
        raise error_mapping.unreadable(reply, str(error), task_id=task_id) from error


def wait(question: Question, *, timeout: float, on_update: OnUpdate) -> Flow[Snapshot]:
    """Look at a task until it has ended, at most `timeout` seconds; faults on the way are borne.

    Whatever leaves the wait carries the task's id, an interrupt included.

    Raises:
        TaskFailed: it ended without a result.
        WaitTimeout: it hadn't ended in time; it goes on.
        APIError: the API refused the question itself (400 to 404).
    """
    with about(question.task_id):
        start = yield from now()
        deadline, track = start.ticks + timeout, question.track(start)
        seen: Snapshot | None = None
        first = question.first(start, track, (yield from draw()))
        if first > 0:
            yield from sleep(min(first, timeout), question.task_id)
        while True:
            left = deadline - (yield from _turn(question.budget, deadline))
            last = yield from look(question, left)
            instant = yield from now()
            last = last.at(instant.ticks, deadline)
            found = last.found
            if found is not None:
                yield from tell(question, on_update, found)
                instant = instant if on_update is None else (yield from now())
            seen, track = found or seen, track.after(instant, found)
            if found is not None and found.ended:
                return result(found)
            left = deadline - instant.ticks
            if left <= 0:
                raise given_up(question.task_id, timeout, seen, last.fault)
            wanted = track.interval(instant.ticks, (yield from draw()))
            yield from sleep(poll_schedule.pause(wanted, last.asked, left), question.task_id)


def watch(flow_of: Callable[[OnUpdate], Flow[Snapshot]]) -> Flow[None]:
    """Emit each snapshot of a wait, that of its end included; a failed task is no error here.

    `flow_of` makes the wait for a callback.
    """

    def emitted(_: Snapshot) -> None:
        """Mark the effects that are for whoever iterates."""

    flow = flow_of(emitted)
    try:
        script = Script(flow)
        while script.effect is not None:
            if isinstance(script.effect, Notify) and script.effect.callback is emitted:
                yield Emit(script.effect.value)
                script.go_on(None)
            else:
                yield from _pass_on(script, script.effect)
    except errors.TaskFailed:
        return
    finally:
        flow.close()


def _pass_on(script: Script[Snapshot], effect: Effect) -> Flow[None]:
    try:
        outcome = yield effect
    except GeneratorExit:
        raise
    except BaseException as error:
        script.fail(error)
    else:
        script.go_on(outcome)


def look(question: Question, left: float) -> Flow[Look]:
    """Look once, and bear a fault; the poll ends with the wait, of which `left` seconds are left.

    Raises:
        APIError: the API refused the question itself (400 to 404).
    """
    budget = question.budget
    budget.begin()
    try:
        found = yield from query(question.request, question.task_id, max(left, _SHORTEST_POLL))
    except errors.APIError as error:
        if error.status in _FINAL and not (yield from _lags(question, error)):
            raise
        return Look(None, (yield from _pause(budget, error)), str(error))
    except errors.ConnectionFailed as error:
        log.warning("%s; the wait goes on", error)
        return Look(None, None, str(error))
    finally:
        budget.end()
    yield from alone(budget.answered)
    if found.completed and not found.results and question.polled.without_links < _ASKED_AGAIN:
        question.polled.without_links += 1
        log.debug("task %s: %s without links; asked again", found.id, found.status)
        return Look(None, None, f"task {found.id} is {found.status}, without links", found)
    return Look(found)


def _lags(question: Question, error: errors.APIError) -> Flow[bool]:
    """Tell whether a task is unknown because it was submitted just now."""
    if error.status != _NOT_FOUND:
        return False
    unix = (yield from now()).unix
    times = [question.accepted, question.submitted]
    if question.accepted is None and question.recall is not None:
        times.append((yield from act(question.recall)))
    return any(time is not None and abs(unix - time) < _LAG for time in times)


def _pause(budget: Budget, error: errors.APIError) -> Flow[float | None]:
    """Log an error that a wait survives → the seconds that it asks for, as far as it gets them."""
    asked = error.retry_after
    if asked is None:
        log.warning("%s; the wait goes on", error)
    else:
        log.warning("%s; the wait goes on after %g s", error, bounded(asked))
    if error.status == _TOO_MANY:
        yield from slow_down(budget, asked)
    else:
        yield from _warn(budget, asked)
    return None if asked is None else bounded(asked)


def slow_down(budget: Budget, asked: float | None) -> Flow[None]:
    """Take note of a 429 that asks for a pause."""
    ticks = (yield from now()).ticks
    yield from alone(partial(budget.refused, ticks, asked))
    yield from _warn(budget, asked)


def _warn(budget: Budget, asked: float | None) -> Flow[None]:
    if (yield from alone(partial(budget.warns, asked))):
        log.warning(
            "the API asks for a pause of %g s (Retry-After); polling goes on after %g s, which is "
            "the longest pause that is kept",
            asked,
            LONGEST_PAUSE,
        )


def _turn(budget: Budget, deadline: float) -> Flow[float]:
    """Wait until the client's budget has a poll for this wait, at most until the deadline.

    Returns the tick at which it has.
    """
    ticks = (yield from now()).ticks
    turn = Turn(ticks)
    try:
        while ticks < deadline:
            delay = yield from alone(partial(budget.ask, turn, ticks))
            if delay is None:
                break
            yield from sleep(min(delay, deadline - ticks), waker=turn)
            ticks = (yield from now()).ticks
    finally:
        budget.leave(turn)
    return ticks


def tell(question: Question, on_update: OnUpdate, found: Snapshot) -> Flow[None]:
    """Tell the user of a look, and the log of what it changed."""
    if not found.known and found.status not in question.strange:
        question.strange.add(found.status)
        log.warning("task %s: %s", found.id, _undocumented(found))
    state = (found.status, found.progress)
    if found.failure is not None:
        failure = found.failure
        facts = found.id, failure.code, failure.message
        log.warning("task %s failed with %s: %s", *facts, extra=RETURNED)
    elif found.completed:
        links = len(found.results)
        log.info("task %s completed with %d links", found.id, links, extra=RETURNED)
    elif state != question.polled.state:
        progress = "" if found.progress is None else f", {found.progress} %"
        log.debug("task %s: %s%s", found.id, found.status or "no status", progress)
    question.polled.state = state
    if on_update is not None:
        yield Notify(on_update, found)


def _undocumented(found: Snapshot) -> str:
    if not found.ended:
        return f"unknown status {found.status!r}; the wait goes on"
    end = "failed" if found.failure else "completed"
    return f"status {found.status!r} is undocumented, and taken for {end}"


def result(snapshot: Snapshot) -> Snapshot:
    """Return an ended task that has a result.

    Raises:
        TaskFailed: it has none.
    """
    if snapshot.completed:
        return snapshot
    raise task_failed(snapshot)


def given_up(
    task_id: str, timeout: float, seen: Snapshot | None, fault: str | None
) -> errors.WaitTimeout:
    """Log that a wait's time is up, and make the error for it."""
    log.warning("task %s had not ended after %g s", task_id, timeout, extra=RETURNED)
    return timed_out(task_id, timeout, seen, fault)


def timed_out(
    task_id: str, timeout: float, seen: Snapshot | None, fault: str | None = None
) -> errors.WaitTimeout:
    """Make the error for a wait whose time is up; `fault` is what became of its last look."""
    state = f"last seen {seen.status or 'without a status'}" if seen else "never seen"
    if fault is not None:
        state += f"; the last look: {fault}"
    return errors.WaitTimeout(
        f"task {task_id} had not ended after {timeout:g} s ({state}). It goes on: "
        f"client.task({task_id!r}).wait() takes it up again",
        snapshot=seen,
        fault=fault,
        task_id=task_id,
    )
