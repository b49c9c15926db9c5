"""Wait for many tasks at once: a heap of whose turn it is, and a few looks under way."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, TypeAlias

from attrs import define, field

from wanflow import errors
from wanflow._core import pacing
from wanflow._core.callbacks import steady
from wanflow._core.effects import Done, Emit, Rung, Start, alone, draw, join, now
from wanflow._core.failure import task_failed
from wanflow._flows.naming import about, about_all
from wanflow._flows.waiting import look, tell, timed_out

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wanflow._core.budget import Budget
    from wanflow._core.callbacks import Stretch
    from wanflow._core.effects import Flow
    from wanflow._core.pacing import Track
    from wanflow._core.snapshot import Snapshot
    from wanflow._flows.waiting import Look, OnUpdate, Question

    Outcome: TypeAlias = Snapshot | errors.WanflowError
    Tell: TypeAlias = Callable[[int, Outcome], Flow[None]]


@define(eq=False)
class _Waiting:
    """One task of the crowd. `due` is the tick of its next look, None while one is under way."""

    index: int
    question: Question
    track: Track
    due: float | None
    seen: Snapshot | None = None
    fault: str | None = None


@define(eq=False)
class _Crowd:
    """The tasks that have not ended, by id, and the order of their turns.

    An entry of the heap whose moment isn't its task's `due` any more is stale.
    """

    budget: Budget
    deadline: float
    stretch: Stretch
    waiting: dict[str, list[_Waiting]] = field(factory=dict[str, "list[_Waiting]"])
    turns: list[tuple[float, int, _Waiting]] = field(factory=list["tuple[float, int, _Waiting]"])
    flying: int = 0

    def expect(self, one: _Waiting, due: float) -> None:
        """Give a task its next turn."""
        one.due = min(due, self.deadline)
        heapq.heappush(self.turns, (one.due, one.index, one))

    def next_turn(self) -> float | None:
        """Return when the next look is due; stale entries are dropped."""
        while self.turns and self.turns[0][2].due != self.turns[0][0]:
            heapq.heappop(self.turns)
        return self.turns[0][0] if self.turns else None

    def leave(self, one: _Waiting) -> None:
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
    crowd = _Crowd(questions[0].budget, start.ticks + timeout, stretch)
    for index, question in enumerate(questions):
        track = question.track(start)
        one = _Waiting(index, question, track, None)
        crowd.waiting.setdefault(question.task_id, []).append(one)
        first = question.first(start, track, (yield from draw()))
        crowd.expect(one, start.ticks + first)
    with about_all(crowd.waiting):
        yield from _until_all_ended(crowd, timeout, at_once, on_update, ended)


def _until_all_ended(
    crowd: _Crowd, timeout: float, at_once: int, on_update: OnUpdate, ended: Tell
) -> Flow[None]:
    news: list[tuple[_Waiting, Outcome]] = []
    last = False
    while crowd.waiting or news:
        ticks = (yield from now()).ticks
        over = ticks >= crowd.deadline
        if not news and not last:
            yield from _begin_looks(crowd, ticks, at_once)
            last = over
        if crowd.flying or not (news or over):
            news += yield from _next(crowd, ticks, on_update)
            continue
        if over:
            news += _given_up(crowd, timeout)
        for one, outcome in news:
            yield from ended(one.index, outcome)
        news = []


def emit(ended: int, outcome: Outcome) -> Flow[None]:
    """Hand an end to whoever iterates."""
    yield Emit((ended, outcome))


def _begin_looks(crowd: _Crowd, ticks: float, at_once: int) -> Flow[None]:
    while crowd.flying < at_once:
        due = crowd.next_turn()
        if due is None or due > ticks or (crowd.budget.wait(ticks) > 0 and ticks < crowd.deadline):
            return
        one = heapq.heappop(crowd.turns)[2]
        one.due = None
        yield from alone(lambda: crowd.budget.reserve(ticks))
        yield Start(one, look(one.question))
        crowd.flying += 1


def _next(crowd: _Crowd, ticks: float, on_update: OnUpdate) -> Flow[list[tuple[_Waiting, Outcome]]]:
    """Take in what happens next → the tasks that ended by it."""
    event = yield from join(_patience(crowd, ticks), crowd.waiting)
    match event:
        case Done(_Waiting() as one, value, error):
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


def _patience(crowd: _Crowd, ticks: float) -> float | None:
    due = crowd.next_turn()
    if due is None or ticks >= crowd.deadline:
        return None
    at = min(crowd.deadline, max(due, ticks + crowd.budget.wait(ticks)))
    # With a look under way and others due, its end is what is waited for.
    return None if at <= ticks and crowd.flying else at - ticks


def _looked(
    crowd: _Crowd,
    one: _Waiting,
    value: Look | None,
    error: BaseException | None,
    on_update: OnUpdate,
) -> Flow[list[tuple[_Waiting, Outcome]]]:
    if isinstance(error, errors.WanflowError):
        crowd.leave(one)
        return [(one, error)]
    if error is not None:
        raise error
    assert value is not None
    found, one.fault = value.found, value.fault
    instant = yield from now()
    ticks, one.track = instant.ticks, one.track.after(instant, found)
    if found is not None:
        yield from tell(one.question, on_update, found)
        one.seen = found
        if found.ended:
            crowd.leave(one)
            return [(one, found if found.completed else task_failed(found))]
    wanted = one.track.interval(ticks, (yield from draw()))
    wanted = pacing.stretched(wanted, crowd.stretch(one.question.task_id))
    crowd.expect(one, ticks + pacing.pause(wanted, value.asked, max(0.0, crowd.deadline - ticks)))
    return []


def _given_up(crowd: _Crowd, timeout: float) -> list[tuple[_Waiting, Outcome]]:
    left = [one for twins in crowd.waiting.values() for one in twins]
    for one in left:
        crowd.leave(one)
    return [(one, timed_out(one.question.task_id, timeout, one.seen, one.fault)) for one in left]
