"""Laws of the rate of polls that all waits of a client share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from benchmarks.many_waits import LATENCY, SPAN, Play, Simulation, budget, lag
from hypothesis import given
from hypothesis import strategies as st

from tests.core.fake_driver import task
from wanflow._config import DEFAULT_POLL_RATE, MAX_POLL_RATE
from wanflow._core.effects import Request, Response
from wanflow._core.flow import FlowRun
from wanflow._core.rate_limiter import LONGEST_PAUSE, LOWEST_RATE, PollRateLimiter, Turn
from wanflow._core.snapshot import Snapshot
from wanflow._flows.poll import PollTarget, poll_until_done
from wanflow._flows.poll_many import poll_many

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow._core.effects import Flow

SLACK = 0.08
"""At more than 25 a second, polls of 40 ms may come together."""


def poll(limiter: PollRateLimiter, ticks: float, wanted: float | None = None) -> float:
    """Take a place in the queue and wait for the turn → when it came."""
    turn = Turn(ticks if wanted is None else wanted)
    while (delay := limiter.try_acquire(turn, ticks)) is not None:
        assert delay > 0
        ticks += delay
    return ticks


@given(
    rate=st.floats(0.5, 1000),
    events=st.lists(st.tuples(st.floats(0, 10), st.sampled_from(["poll", "429"])), max_size=60),
)
def test_one_budget_bounds_all_polls(rate: float, events: list[tuple[float, str]]) -> None:
    """There are never more polls than the rate allows, and none falls into a 429's pause."""
    limiter, ticks, until = PollRateLimiter(rate), 0.0, 0.0
    polls: list[float] = []
    for seconds, event in events:
        ticks += seconds
        if event == "429":
            before = limiter.rate
            limiter.on_rate_limited(ticks, 5)
            until = max(until, ticks + 5)
            assert limiter.rate <= before
            continue
        at = poll(limiter, ticks)
        assert at >= until - 1e-9
        slack = SLACK if rate > 25 else 0.0
        for between, earlier in enumerate(reversed(polls), 1):
            assert at - earlier >= between / rate - slack - 1e-6
        polls.append(at)


@given(
    lateness=st.lists(st.floats(0, 10) | st.none(), min_size=1, max_size=400),
    most=st.sampled_from([0.0, 50.0, 60.0, MAX_POLL_RATE]),
)
def test_the_rate_grows_only_while_polls_are_late(
    lateness: list[float | None], most: float
) -> None:
    """An answer adds to the rate where its poll was late; a 429 (None) halves it.

    It is never above its upper bound, nor below a poll in twenty seconds.
    """
    limiter, ticks = PollRateLimiter(DEFAULT_POLL_RATE, max_rate=most), 0.0
    for late in lateness:
        ticks += 2
        before = limiter.rate
        if late is None:
            limiter.on_rate_limited(ticks, 0)
            assert limiter.rate == max(before / 2, LOWEST_RATE)
            continue
        poll(limiter, ticks, wanted=ticks - late)
        limiter.on_success()
        assert before <= limiter.rate <= max(DEFAULT_POLL_RATE, most)
        grows = before < (max(DEFAULT_POLL_RATE, most) if late > 0.5 else DEFAULT_POLL_RATE)
        assert (limiter.rate > before) is grows


def test_a_429_is_followed_by_half_the_rate_and_half_the_increase() -> None:
    """Polls that were sent before it, and are refused with it, take nothing more."""
    limiter = PollRateLimiter(DEFAULT_POLL_RATE, max_rate=MAX_POLL_RATE)
    limiter.on_rate_limited(10, None)
    limiter.on_rate_limited(10.5, None)
    assert limiter.rate == DEFAULT_POLL_RATE / 2
    increase = limiter._increase
    limiter.on_rate_limited(20, None)
    assert limiter.rate == DEFAULT_POLL_RATE / 4
    assert limiter._increase == increase / 2


def test_the_budget_recovers() -> None:
    """Answers bring the rate back to what was asked for, and never past it."""
    limiter = PollRateLimiter(10)
    limiter.on_rate_limited(0, None)
    assert limiter.rate == 5
    for _ in range(1000):
        limiter.on_success()
    assert limiter.rate == 10


@given(asked=st.none() | st.floats(0, 1e12))
def test_no_pause_is_longer_than_the_longest(asked: float | None) -> None:
    """Whatever a 429 asks for, polls go on after five minutes at the latest; it is told once."""
    limiter = PollRateLimiter(DEFAULT_POLL_RATE)
    limiter.on_rate_limited(0, asked)
    assert poll(limiter, 0) <= LONGEST_PAUSE + SLACK
    wants = (asked or 0) > LONGEST_PAUSE
    assert [limiter.should_warn(asked), limiter.should_warn(asked)] == [wants, False]


class Cancelled(BaseException):
    """Stands for a task of an event loop that is cancelled, and for Ctrl-C."""


def completed(request: Request, _: float) -> Response:
    """Answer that a task has ended."""
    return task("completed", id=request.path)


def question(number: int, limiter: PollRateLimiter) -> PollTarget:
    """Ask about one of many tasks."""
    return PollTarget(f"task-{number}", Request("GET", f"task-{number}"), limiter)


def waits(limiter: PollRateLimiter, count: int, *, together: bool) -> Iterator[Flow[object]]:
    """Make waits for tasks, as single ones or as waits for many."""
    for number in range(count):
        asked = question(number, limiter)
        if together:
            yield poll_many(
                [asked],
                timeout=600,
                max_concurrent_polls=16,
                on_update=None,
                on_outcome=lambda _, __: iter(()),
            )
        else:
            yield poll_until_done(asked, timeout=600, on_update=None)


@pytest.mark.parametrize("together", [False, True], ids=["wait", "wait_all"])
@pytest.mark.parametrize("after", [0.0, 0.01, 0.06, 1.0, 20.0])
@pytest.mark.parametrize("rate", [2.0, DEFAULT_POLL_RATE], ids=str)
def test_a_cancelled_wait_keeps_no_place(rate: float, after: float, together: bool) -> None:
    """After 5,000 cancels, whenever they come, a wait takes as long as one of a new client."""
    limiter = PollRateLimiter(rate)
    simulation = Simulation(lambda request, _: task("processing", id=request.path))
    plays = [simulation.begin(flow) for flow in waits(limiter, 5000, together=together)]
    simulation.run(until=after)
    for play in plays:
        simulation.cancel(play, Cancelled())
    for play in plays:
        for child in play.children:
            simulation.cancel(child, Cancelled())
    begun = simulation.ticks = max(simulation.ticks, after)
    simulation.answer = completed
    ended = simulation.begin(poll_until_done(question(1, limiter), timeout=30, on_update=None))
    simulation.run()
    assert isinstance(ended.script.result, Snapshot)
    assert simulation.ticks - begun <= LATENCY + 1 / rate + SLACK
    assert limiter._granted == set()
    assert limiter._in_flight == 0


def test_a_wait_that_is_closed_keeps_no_place() -> None:
    """A flow that nobody plays to its end is closed, at any of its effects, and gives up all."""
    for steps in range(40):
        limiter = PollRateLimiter(2.0)
        poll(limiter, 0.0)
        simulation = Simulation(lambda request, _: task("processing", id=request.path))
        flow = poll_until_done(question(1, limiter), timeout=600, on_update=None)
        play_some(flow, simulation, steps)
        flow.close()
        assert limiter._first_waiting() is None
        assert limiter._granted == set()
        assert limiter._in_flight == 0


def test_each_poll_is_woken_once() -> None:
    """Of many waits each sleeps until its turn, and few wake up before it to be the first."""
    limiter = budget()
    simulation = Simulation(completed)
    for flow in waits(limiter, 5000, together=False):
        simulation.begin(flow)
    simulation.run()
    assert len(simulation.sent) == 5000
    assert simulation.sleeps < 1.6 * 5000


def test_a_first_that_sleeps_on_holds_up_nobody_for_long() -> None:
    """Where an event loop is busy with something else, others wake up soon after their turns."""
    limiter = PollRateLimiter(2.0)
    first, second = Turn(0.0), Turn(0.0)
    assert limiter.try_acquire(first, 0.0) is None
    assert limiter.try_acquire(second, 0.0) == 0.5
    assert poll(limiter, 0.0) <= 1.0 + 1.0 + 0.5
    assert limiter.try_acquire(second, 3.0) is None


def test_what_waits_in_a_forked_parent_is_not_waited_for() -> None:
    """A child begins with an empty queue; a wait that goes on in it takes a place there."""
    limiter = PollRateLimiter(2.0, 3)
    kept = [Turn(0.0) for _ in range(10)]
    for turn in kept:
        limiter.try_acquire(turn, 0.0)
    limiter.start_poll()
    limiter.renew()
    assert limiter.try_acquire(kept[-1], 0.5) is None
    assert poll(limiter, 0.5) == 1.0


def idle() -> Flow[None]:
    """Ask for nothing."""
    yield from ()


def play_some(flow: Flow[object], simulation: Simulation, steps: int) -> None:
    """Play so many effects of a flow, in no time but what its sleeps take."""
    effect, play = next(flow), Play(FlowRun(idle()))
    for _ in range(steps):
        seconds, outcome = simulation._perform(play, effect)
        simulation.ticks += seconds or 0.0
        effect = flow.send(outcome)


def test_those_who_waited_behind_the_cancelled_move_up() -> None:
    """A wait whose turn was minutes away has it within seconds, when those before it are gone."""
    limiter = PollRateLimiter(DEFAULT_POLL_RATE)
    simulation = Simulation(lambda request, _: task("processing", id=request.path))
    plays = [simulation.begin(flow) for flow in waits(limiter, 5000, together=False)]
    last = simulation.begin(poll_until_done(question(5000, limiter), timeout=600, on_update=None))
    simulation.run(until=1.0)
    for play in plays:
        simulation.cancel(play, Cancelled())
    simulation.answer = completed
    simulation.run()
    assert isinstance(last.script.result, Snapshot)
    assert simulation.ticks < 7


@pytest.mark.parametrize("together", [False, True], ids=["wait", "wait_all"])
def test_ten_thousand_tasks_are_found_soon(together: bool) -> None:
    """All end within 50 s; at the rate that a client begins with, the last are found after 250."""
    found = lag(together=together)
    assert found.mean < 25
    assert found.longest < 60
    assert found.refused == 0


@pytest.mark.parametrize("allowed", [20, 100])
def test_a_server_that_allows_less_is_asked_less(allowed: int) -> None:
    """The rate comes to rest near what the server allows: few polls are refused."""
    found = lag(allowed=allowed, tasks=2000)
    assert found.refused < found.polls / 20
    assert found.longest < 2 * 2000 / allowed + SPAN


def test_a_rate_of_the_users_is_kept() -> None:
    """With `rate=`, the polls of any second are no more than that, however late they are."""
    limiter = budget(20.0)
    simulation = Simulation(completed)
    for flow in waits(limiter, 400, together=False):
        simulation.begin(flow)
    simulation.run()
    sent = sorted(simulation.sent)
    assert len(sent) == 400
    assert all(
        later - earlier >= 1 - SLACK for earlier, later in zip(sent, sent[20:], strict=False)
    )
