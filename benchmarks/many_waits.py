"""Thousands of waits on a simulated clock: `python -m benchmarks.many_waits`.

How late the ends of 10,000 tasks are found that all end within 50 s, by as many `task.wait()` and
by one `wait_all`, against servers that allow so many polls a second. The flows are the library's;
clock, server and connections are simulated, so that a run is the same on every machine.
"""

from __future__ import annotations

import heapq
import json
import logging
import random
from collections import deque
from statistics import mean
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from wanflow._config import DEFAULT_POLL_RATE, MAX_POLL_RATE
from wanflow._core.effects import (
    EmitEvent,
    Finish,
    Finished,
    InvokeCallback,
    RandomFloat,
    ReadClock,
    Request,
    Response,
    RunBlocking,
    Sleep,
    Spawn,
    TimePoint,
    WaitNext,
    WakeHandle,
    WithLock,
    Yield,
)
from wanflow._core.rate_limiter import PollRateLimiter
from wanflow._flows.poll import PollTarget, poll_until_done
from wanflow._flows.poll_many import poll_many
from wanflow._runtime.flow_run import FlowRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow._core.effects import Effect, Flow

TASKS = 10_000
SPAN = 50.0
"""Seconds within which the tasks end."""
LATENCY = 0.05
CONNECTIONS = 20
_IN_FLIGHT = 16


@define(eq=False)
class Play:
    """A flow being played; `children` are those that it started, and `done` what they came to."""

    script: FlowRun[Any]
    parent: Play | None = None
    key: Any = None
    done: deque[Finished] = field(factory=deque[Finished])
    children: list[Play] = field(factory=list["Play"])
    joining: bool = False
    steps: int = 0
    waker: WakeHandle | None = None


@define
class Simulation:
    """Plays flows side by side on one clock. `answer` makes the reply to a request at a time."""

    answer: Callable[[Request, float], Response]
    ticks: float = 0.0
    sent: list[float] = field(factory=list[float])
    sleeps: int = 0
    """How often flows slept until something woke them."""
    results: list[Any] = field(factory=list[Any])
    _random: random.Random = field(factory=lambda: random.Random(1))
    _events: list[tuple[float, int, Play, int, Any]] = field(
        factory=list["tuple[float, int, Play, int, Any]"]
    )
    _count: int = 0

    def begin(self, flow: Flow[Any], parent: Play | None = None, key: Any = None) -> Play:
        """Play a flow from now on."""
        play = Play(FlowRun(flow), parent, key)
        self._advance(play)
        return play

    def run(self, until: float = float("inf")) -> None:
        """Let time pass until nothing is left to happen."""
        while self._events and self._events[0][0] <= until:
            ticks, _, play, step, outcome = heapq.heappop(self._events)
            if step == play.steps:
                self.ticks = ticks
                play.joining = False
                self._step(play, outcome)

    def cancel(self, play: Play, error: BaseException) -> None:
        """Break a flow off, as a cancelled task of an event loop is, and those that it started."""
        play.steps += 1
        if play.script.effect is None:
            return
        try:
            play.script.throw(error)
            while isinstance(play.script.effect, EmitEvent | Finish | ReadClock):
                if isinstance(play.script.effect, Finish):
                    for child in play.children:
                        self.cancel(child, error)
                    play.script.send(None)
                else:
                    play.script.send(self._perform(play, play.script.effect)[1])
        except type(error):
            return
        raise AssertionError("the flow went on")

    def _step(self, play: Play, outcome: Any) -> None:
        if play.waker is not None:
            with play.waker:
                play.waker = None
        try:
            play.script.send(outcome)
        except Exception as error:
            self._end(play, None, error)
        else:
            self._advance(play)

    def _advance(self, play: Play) -> None:
        while play.script.effect is not None:
            seconds, outcome = self._perform(play, play.script.effect)
            if seconds is not None:
                self._later(seconds, play, outcome)
                return
            try:
                play.script.send(outcome)
            except Exception as error:
                self._end(play, None, error)
                return
        self._end(play, play.script.result, None)

    def _end(self, play: Play, value: Any, error: Exception | None) -> None:
        self.results.append(error or value)
        parent = play.parent
        if parent is not None:
            parent.done.append(Finished(play.key, value, error))
            if parent.joining:
                parent.joining = False
                self._later(0.0, parent, parent.done.popleft())

    def _later(self, seconds: float, play: Play, outcome: Any) -> None:
        play.steps += 1
        self._count += 1
        event = (self.ticks + seconds, self._count, play, play.steps, outcome)
        heapq.heappush(self._events, event)

    def _woken(self, waker: WakeHandle | None, play: Play, seconds: float) -> float:
        """Have a waker end what a flow waits for → the seconds, none where it has come before."""
        if waker is None:
            return seconds
        play.waker = waker
        self.sleeps += 1
        waker.on_wake(lambda: self._later(0.0, play, None))
        return 0.0 if waker.woken else seconds

    def _perform(self, play: Play, effect: Effect) -> tuple[float | None, Any]:  # noqa: C901, PLR0911
        """Return the seconds that an effect takes, None for no time at all, and its outcome."""
        match effect:
            case ReadClock():
                return None, TimePoint(self.ticks, self.ticks)
            case RandomFloat():
                return None, self._random.random()
            case WithLock(function) | RunBlocking(function):
                return None, function()
            case Sleep(seconds, _, waker):
                return self._woken(waker, play, seconds), False
            case Request():
                self.sent.append(self.ticks)
                return LATENCY, self.answer(effect, self.ticks)
            case InvokeCallback(callback, value):
                return None, callback(value)
            case Spawn(key, flow):
                play.children.append(self.begin(flow, play, key))
                return None, None
            case WaitNext(seconds, _, waker):
                if play.done:
                    return None, play.done.popleft()
                play.joining = True
                seconds = float("inf") if seconds is None else seconds
                return self._woken(waker, play, seconds), None
            case Yield() | EmitEvent():
                return None, None
            case _:
                raise AssertionError(f"the simulation can't do {effect}")


@frozen
class Lag:
    """How late ends were found, in seconds, and with how many polls and 429s."""

    mean: float
    longest: float
    polls: int
    refused: int


@define
class Server:
    """Ends each task at its own time; more polls than `allowed` in a second are a 429 each."""

    ends: dict[str, float]
    allowed: float = float("inf")
    refused: int = 0
    found: dict[str, float] = field(factory=dict[str, float])
    _recent: deque[float] = field(factory=deque[float])

    def answer(self, request: Request, ticks: float) -> Response:
        """Answer a poll."""
        while self._recent and self._recent[0] <= ticks - 1:
            self._recent.popleft()
        if len(self._recent) >= self.allowed:
            self.refused += 1
            return Response(429, {}, b"{}")
        self._recent.append(ticks)
        task_id = request.path
        if ticks < self.ends[task_id]:
            return _task(task_id, "processing")
        self.found.setdefault(task_id, ticks + LATENCY)
        return _task(task_id, "completed")


def _task(task_id: str, status: str) -> Response:
    body = {"id": task_id, "status": status, "results": ["https://files.example/a.mp4"]}
    return Response(200, {}, json.dumps(body).encode())


def budget(rate: float | None = None) -> PollRateLimiter:
    """Make the budget that a client has, with a `rate=` or without."""
    if rate is None:
        return PollRateLimiter(DEFAULT_POLL_RATE, CONNECTIONS, max_rate=MAX_POLL_RATE)
    return PollRateLimiter(rate, CONNECTIONS)


def lag(
    *,
    rate: float | None = None,
    allowed: float = float("inf"),
    together: bool = False,
    tasks: int = TASKS,
) -> Lag:
    """Wait for tasks that end within 50 s, in one wait or as many as there are tasks."""
    drawn = random.Random(7)
    server = Server({f"task-{n}": drawn.uniform(0, SPAN) for n in range(tasks)}, allowed)
    simulation, limiter = Simulation(server.answer), budget(rate)
    questions = [PollTarget(name, Request("GET", name), limiter) for name in server.ends]
    if together:
        limits: dict[str, Any] = {"timeout": 3600, "max_concurrent_polls": _IN_FLIGHT}
        simulation.begin(poll_many(questions, **limits, on_update=None, on_outcome=_nothing))
    else:
        for question in questions:
            simulation.begin(poll_until_done(question, timeout=3600, on_update=None))
    simulation.run()
    late = [server.found[name] - end for name, end in server.ends.items()]
    return Lag(mean(late), max(late), len(simulation.sent), server.refused)


def _nothing(_: int, __: object) -> Flow[None]:
    yield from ()


def main() -> None:
    """Print a table."""
    logging.disable()
    print(f"{TASKS} tasks that end within {SPAN:g} s, polls of {LATENCY * 1000:g} ms")
    heads = ("rate=", "allowed", "mean lag", "longest", "polls", "429s")
    print(f"{'wait':<12}" + "".join(f"{head:>10}" for head in heads))
    for together in (False, True):
        for rate, allowed in ((50.0, None), (None, None), (None, 200), (None, 100), (None, 50)):
            found = lag(rate=rate, allowed=allowed or float("inf"), together=together)
            name = "wait_all" if together else "task.wait()"
            cells = (f"{found.mean:.1f} s", f"{found.longest:.1f} s", found.polls, found.refused)
            row = (rate or "", allowed or "", *cells)
            print(f"{name:<12}" + "".join(f"{cell:>10}" for cell in row))


if __name__ == "__main__":
    main()
