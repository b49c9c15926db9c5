"""Wait for many tasks at once: a heap of whose turn it is, and a few looks under way."""

from __future__ import annotations

import heapq
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from attrs import define, field

from wanflow import errors
from wanflow._core import poll_schedule
from wanflow._core.callbacks import steady
from wanflow._core.effects import Done, Emit, Rung, Start, alone, draw, join, now
from wanflow._core.failure_codes import task_failed
from wanflow._core.rate_limiter import Turn
from wanflow._flows.error_context import about, about_all
from wanflow._flows.poll import given_up, look, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wanflow._core.callbacks import Stretch
    from wanflow._core.effects import Flow, Instant
    from wanflow._core.poll_schedule import Track
    from wanflow._core.rate_limiter import Budget
    from wanflow._core.snapshot import Snapshot
    from wanflow._flows.poll import Look, OnUpdate, Question

    Outcome: TypeAlias = Snapshot | errors.WanflowError
    Tell: TypeAlias = Callable[[int, Outcome], Flow[None]]


@define(eq=False)
class Waiting:
    """One task of the crowd. `due` is the tick of its next look, None while one is under way.

    None is begun after `deadline`.
    """

    index: int
    question: Question
    track: Track
    deadline: float
    due: float | None = None
    seen: Snapshot | None = None
    fault: str | None = None


@define(eq=False)
class Crowd:
    """The tasks that have not ended, by id, and the order of their turns.

    An entry of the heap whose moment isn't its task's `due` any more is stale.
    """

    budget: Budget
    stretch: Stretch = steady
    waiting: dict[str, list[Waiting]] = field(factory=dict[str, "list[Waiting]"])
    turns: list[tuple[float, int, Waiting]] = field(factory=list["tuple[float, int, Waiting]"])
    flying: int = 0
    turn: Turn | None = None

    def add(
        self, index: int, question: Question, instant: Instant, timeout: float, chance: float
    ) -> Waiting:
        """Take a task in, to be looked at for `timeout` seconds at most."""
        track = question.track(instant)
        one = Waiting(index, question, track, instant.ticks + timeout)
        self.waiting.setdefault(question.task_id, []).append(one)
        self.expect(one, instant.ticks + question.first(instant, track, chance))
        return one

    def expect(self, one: Waiting, due: float) -> None:
        """Give a task its next turn."""
        one.due = min(due, one.deadline)
        heapq.heappush(self.turns, (one.due, one.index, one))

    def next_turn(self) -> float | None:
        """Return when the next look is due; stale entries are dropped."""
        while self.turns and self.turns[0][2].due != self.turns[0][0]:
            heapq.heappop(self.turns)
        return self.turns[0][0] if self.turns else None

    def may_begin(self, ticks: float, due: float) -> Flow[bool]:
        """Tell whether the budget lets a look begin that is due; if not, keep a place for it."""
        if self.turn is None:
            self.turn = Turn(due)
        if (yield from alone(partial(self.budget.ask, self.turn, ticks))) is not None:
            return False
        self.turn = None
        return True

    def rest(self) -> None:
        """Keep no place for a look."""
        self.budget.leave(self.turn)
        self.turn = None

    def leave(self, one: Waiting) -> None:
        """Take an ended task out."""
        one.due = None
        twins = self.waiting[one.question.task_id]
        twins.remove(one)
        if not twins:
            del self.waiting[one.question.task_id]


def wait_many(
    questions: Sequence[Question],
    *,
    timeout: float,
    at_once: int,
    on_update: OnUpdate,
    ended: Tell,
    stretch: Stretch = steady,
) -> Flow[None]:
    """Look at tasks until all have ended, at most `timeout` seconds, `at_once` looks at a time.

    `stretch` says by what a task's intervals may be longer.
    `ended` is a flow that is told of each end, by the task's place in `questions`: its last
    snapshot, or the error for it (TaskFailed, WaitTimeout, a refused question). No look is
    under way while it runs.
    """
    if not questions:
        return
    start = yield from now()
    crowd = Crowd(questions[0].budget, stretch)
    for index, question in enumerate(questions):
        crowd.add(index, question, start, timeout, (yield from draw()))
    with about_all(crowd.waiting):
        last = start.ticks + timeout
        try:
            yield from _until_all_ended(crowd, last, timeout, at_once, on_update, ended)
        finally:
            crowd.rest()


def _until_all_ended(
    crowd: Crowd,
    deadline: float,
    timeout: float,
    at_once: int,
    on_update: OnUpdate,
    ended: Tell,
) -> Flow[None]:
    news: list[tuple[Waiting, Outcome]] = []
    last = False
    while crowd.waiting or news:
        ticks = (yield from now()).ticks
        over = ticks >= deadline
        if not news and not last:
            yield from begin_looks(crowd, ticks, at_once)
            last = over
        if crowd.flying or not (news or over):
            event = yield from join(_patience(crowd, ticks, deadline), crowd.waiting, crowd.turn)
            news += yield from take_in(crowd, event, ticks, on_update)
            continue
        if over:
            news += _given_up(crowd, timeout)
        for one, outcome in news:
            yield from ended(one.index, outcome)
        news = []


def emit(ended: int, outcome: Outcome) -> Flow[None]:
    """Hand an end to whoever iterates."""
    yield Emit((ended, outcome))


def begin_looks(crowd: Crowd, ticks: float, at_once: int) -> Flow[None]:
    """Begin the looks that are due and that the budget lets through, up to `at_once` of them."""
    while crowd.flying < at_once:
        due = crowd.next_turn()
        if due is None or due > ticks:
            crowd.rest()
            return
        one = crowd.turns[0][2]
        if ticks < one.deadline and not (yield from crowd.may_begin(ticks, due)):
            return
        heapq.heappop(crowd.turns)
        one.due = None
        yield Start(one, look(one.question, one.deadline - ticks))
        crowd.flying += 1


def take_in(
    crowd: Crowd, event: Done | Rung | None, ticks: float, on_update: OnUpdate
) -> Flow[list[tuple[Waiting, Outcome]]]:
    """Take in what happened → the tasks that ended by it."""
    match event:
        case Done(Waiting() as one, value, error):
            crowd.flying -= 1
            with about(one.question.task_id):
                return (yield from _looked(crowd, one, value, error, on_update))
        case Rung(topic):
            for one in crowd.waiting.get(topic, ()):
                if one.due is not None:
                    crowd.expect(one, ticks)
        case _:
            pass
    return []


def patience(crowd: Crowd, ticks: float) -> float | None:
    """Return the seconds until a look can be begun, None where none is expected."""
    due = crowd.next_turn()
    if due is None:
        return None
    delay = 0.0 if crowd.turn is None else crowd.budget.wait(crowd.turn, ticks)
    return max(due - ticks, delay, 0.0)


def _patience(crowd: Crowd, ticks: float, deadline: float) -> float | None:
    left = patience(crowd, ticks)
    if left is None or ticks >= deadline:
        return None
    # With a look under way and others due, its end is what is waited for.
    left = min(left, deadline - ticks)
    return None if left <= 0 and crowd.flying else left


def _looked(
    crowd: Crowd,
    one: Waiting,
    value: Look | None,
    error: BaseException | None,
    on_update: OnUpdate,
) -> Flow[list[tuple[Waiting, Outcome]]]:
    if isinstance(error, errors.WanflowError):
        crowd.leave(one)
        return [(one, error)]
    if error is not None:
        raise error
    assert value is not None
    instant = yield from now()
    value = value.at(instant.ticks, one.deadline)
    found, one.fault = value.found, value.fault
    ticks, one.track = instant.ticks, one.track.after(instant, found)
    if found is not None:
        yield from tell(one.question, on_update, found)
        one.seen = found
        if found.ended:
            crowd.leave(one)
            return [(one, found if found.completed else task_failed(found))]
    left = one.deadline - ticks
    if left > 0:  # else this poll was the last
        wanted = one.track.interval(ticks, (yield from draw()))
        wanted = poll_schedule.stretched(wanted, crowd.stretch(one.question.task_id))
        crowd.expect(one, ticks + poll_schedule.pause(wanted, value.asked, left))
    return []


def _given_up(crowd: Crowd, timeout: float) -> list[tuple[Waiting, Outcome]]:
    left = [one for twins in crowd.waiting.values() for one in twins]
    for one in left:
        crowd.leave(one)
    return [(one, given_up(one.question.task_id, timeout, one.seen, one.fault)) for one in left]
