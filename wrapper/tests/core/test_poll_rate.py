"""The rate limit for polls that all waits of a client share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from benchmarks.many_waits import LATENCY, SPAN, Play, Simulation, budget, lag
from hypothesis import given
from hypothesis import strategies as st

from tests.core.fake_driver import task
from wanflow._config import DEFAULT_POLL_RATE, MAX_POLL_RATE
from wanflow._core.effects import Request, Response
from wanflow._core.rate_limiter import LONGEST_PAUSE, LOWEST_RATE, PollRateLimiter, Turn
from wanflow._core.snapshot import Snapshot
from wanflow._flows.poll import PollTarget, poll_until_done
from wanflow._flows.poll_many import poll_many
from wanflow._runtime.flow_run import FlowRun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow._core.effects import Flow

SLACK = 0.08
"""At more than 25 polls a second, those of 40 ms may be sent together."""


def poll(limiter: PollRateLimiter, time: float, wanted: float | None = None) -> float:
    """Queue a poll, wait for its turn, and return the time of that."""
    turn = Turn(time if wanted is None else wanted)
    while (delay := limiter.try_acquire(turn, time)) is not None:
        assert delay > 0
        time += delay
    return time


@given(
    rate=st.floats(0.5, 1000),
    events=st.lists(st.tuples(st.floats(0, 10), st.sampled_from(["poll", "429"])), max_size=60),
)
def test_the_rate_limits_all_polls(rate: float, events: list[tuple[float, str]]) -> None:
    """There are never more polls than the rate allows, and none in the pause after a 429."""
    limiter, time, until = PollRateLimiter(rate), 0.0, 0.0
    polls: list[float] = []
    for seconds, event in events:
        time += seconds
        if event == "429":
            before = limiter.rate
            limiter.on_rate_limited(time, 5)
            until = max(until, time + 5)
            assert limiter.rate <= before
            continue
        at = poll(limiter, time)
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
    """A response increases the rate if its poll was late; a 429 (None) halves it.

    It is never above its maximum, nor below one poll in twenty seconds.
    """
    limiter, time = PollRateLimiter(DEFAULT_POLL_RATE, max_rate=most), 0.0
    for late in lateness:
        time += 2
        before = limiter.rate
        if late is None:
            limiter.on_rate_limited(time, 0)
            assert limiter.rate == max(before / 2, LOWEST_RATE)
            continue
        poll(limiter, time, wanted=time - late)
        limiter.on_success()
        assert before <= limiter.rate <= max(DEFAULT_POLL_RATE, most)
        grows = before < (max(DEFAULT_POLL_RATE, most) if late > 0.5 else DEFAULT_POLL_RATE)
        assert (limiter.rate > before) is grows


def test_a_429_halves_the_rate_and_its_increase() -> None:
    """Polls that were sent before it, and get a 429 too, don't halve the rate again."""
    limiter = PollRateLimiter(DEFAULT_POLL_RATE, max_rate=MAX_POLL_RATE)
    limiter.on_rate_limited(10, None)
    limiter.on_rate_limited(10.5, None)
    assert limiter.rate == DEFAULT_POLL_RATE / 2
    increase = limiter._increase
    limiter.on_rate_limited(20, None)
    assert limiter.rate == DEFAULT_POLL_RATE / 4
    assert limiter._increase == increase / 2


def test_the_rate_recovers() -> None:
    """Responses bring the rate back to the configured one, and never above it."""
    limiter = PollRateLimiter(10)
    limiter.on_rate_limited(0, None)
    assert limiter.rate == 5
    for _ in range(1000):
        limiter.on_success()
    assert limiter.rate == 10


@given(asked=st.none() | st.floats(0, 1e12))
def test_no_pause_is_longer_than_the_longest(asked: float | None) -> None:
    """Whatever a 429 requires, polls continue after five minutes at the latest; one warning."""
    limiter = PollRateLimiter(DEFAULT_POLL_RATE)
    limiter.on_rate_limited(0, asked)
    assert poll(limiter, 0) <= LONGEST_PAUSE + SLACK
    wants = (asked or 0) > LONGEST_PAUSE
    assert [limiter.should_warn(asked), limiter.should_warn(asked)] == [wants, False]


class Cancelled(BaseException):
    """Stands for Ctrl-C and for a cancelled asyncio task."""


def completed(request: Request, _: float) -> Response:
    """Respond that a task is completed."""
    return task("completed", id=request.path)


def poll_target(number: int, limiter: PollRateLimiter) -> PollTarget:
    """Return the target for polls of one of many tasks."""
    return PollTarget(f"task-{number}", Request("GET", f"task-{number}"), limiter)


def waits(limiter: PollRateLimiter, count: int, *, in_one_wait: bool) -> Iterator[Flow[object]]:
    """Yield flows that wait for one task each, by `wait` or by `wait_all`."""
    for number in range(count):
        target = poll_target(number, limiter)
        if in_one_wait:
            yield poll_many(
                [target],
                timeout=600,
                max_concurrent_polls=16,
                on_update=None,
                on_outcome=lambda _, __: iter(()),
            )
        else:
            yield poll_until_done(target, timeout=600, on_update=None)


@pytest.mark.parametrize("in_one_wait", [False, True], ids=["wait", "wait_all"])
@pytest.mark.parametrize("after", [0.0, 0.01, 0.06, 1.0, 20.0])
@pytest.mark.parametrize("rate", [2.0, DEFAULT_POLL_RATE], ids=str)
@pytest.mark.parametrize("count", [500, pytest.param(5000, marks=pytest.mark.slow)])
def test_a_cancelled_wait_leaves_the_queue(
    count: int, rate: float, after: float, in_one_wait: bool
) -> None:
    """After hundreds of cancelled waits, a wait takes as long as one of a new client.

    One poll of the default rate that stayed in the queue for each would take 10 s.
    """
    limiter = PollRateLimiter(rate)
    simulation = Simulation(lambda request, _: task("processing", id=request.path))
    flow_runs = [simulation.begin(flow) for flow in waits(limiter, count, in_one_wait=in_one_wait)]
    simulation.run(until=after)
    for play in flow_runs:
        simulation.cancel(play, Cancelled())
    for play in flow_runs:
        for child in play.children:
            simulation.cancel(child, Cancelled())
    begun = simulation.ticks = max(simulation.ticks, after)
    simulation.answer = completed
    ended = simulation.begin(poll_until_done(poll_target(1, limiter), timeout=30, on_update=None))
    simulation.run()
    assert isinstance(ended.script.result, Snapshot)
    assert simulation.ticks - begun <= LATENCY + 1 / rate + SLACK
    assert limiter._granted == set()
    assert limiter._in_flight == 0


def test_a_closed_wait_leaves_the_queue() -> None:
    """A flow that is closed at any of its effects releases everything."""
    for steps in range(40):
        limiter = PollRateLimiter(2.0)
        poll(limiter, 0.0)
        simulation = Simulation(lambda request, _: task("processing", id=request.path))
        flow = poll_until_done(poll_target(1, limiter), timeout=600, on_update=None)
        run_steps(flow, simulation, steps)
        flow.close()
        assert limiter._first_waiting() is None
        assert limiter._granted == set()
        assert limiter._in_flight == 0


def test_each_poll_sleeps_about_once() -> None:
    """Of many waits each sleeps until its turn, and few wake up earlier."""
    limiter = budget()
    simulation = Simulation(completed)
    for flow in waits(limiter, 5000, in_one_wait=False):
        simulation.begin(flow)
    simulation.run()
    assert len(simulation.sent) == 5000
    assert simulation.sleeps < 1.6 * 5000


def test_a_first_poll_that_is_not_sent_delays_others_only_shortly() -> None:
    """If the event loop of the first is busy, the others continue soon after their turns."""
    limiter = PollRateLimiter(2.0)
    first, second = Turn(0.0), Turn(0.0)
    assert limiter.try_acquire(first, 0.0) is None
    assert limiter.try_acquire(second, 0.0) == 0.5
    assert poll(limiter, 0.0) <= 1.0 + 1.0 + 0.5
    assert limiter.try_acquire(second, 3.0) is None


def test_a_forked_child_does_not_queue_behind_its_parent() -> None:
    """A child begins with an empty queue, in which a continued wait queues again."""
    limiter = PollRateLimiter(2.0, 3)
    turns = [Turn(0.0) for _ in range(10)]
    for turn in turns:
        limiter.try_acquire(turn, 0.0)
    limiter.start_poll()
    limiter.renew()
    assert limiter.try_acquire(turns[-1], 0.5) is None
    assert poll(limiter, 0.5) == 1.0


def idle() -> Flow[None]:
    """Return a flow without effects."""
    yield from ()


def run_steps(flow: Flow[object], simulation: Simulation, steps: int) -> None:
    """Perform some effects of a flow; only its sleeps take time."""
    effect, play = next(flow), Play(FlowRun(idle()))
    for _ in range(steps):
        seconds, outcome = simulation._perform(play, effect)
        simulation.ticks += seconds or 0.0
        effect = flow.send(outcome)


def test_polls_behind_cancelled_ones_move_up() -> None:
    """A poll that was minutes away is sent within seconds after those before it are cancelled."""
    limiter = PollRateLimiter(DEFAULT_POLL_RATE)
    simulation = Simulation(lambda request, _: task("processing", id=request.path))
    flow_runs = [simulation.begin(flow) for flow in waits(limiter, 5000, in_one_wait=False)]
    last = simulation.begin(
        poll_until_done(poll_target(5000, limiter), timeout=600, on_update=None)
    )
    simulation.run(until=1.0)
    for play in flow_runs:
        simulation.cancel(play, Cancelled())
    simulation.answer = completed
    simulation.run()
    assert isinstance(last.script.result, Snapshot)
    assert simulation.ticks < 7


@pytest.mark.parametrize("in_one_wait", [False, True], ids=["wait", "wait_all"])
def test_the_end_of_ten_thousand_tasks_is_noticed_soon(in_one_wait: bool) -> None:
    """All end within 50 s; at the initial rate the last would be noticed after 250 s."""
    found = lag(together=in_one_wait)
    assert found.mean < 25
    assert found.longest < 60
    assert found.refused == 0


@pytest.mark.parametrize("allowed", [20, 100])
def test_a_server_that_allows_fewer_polls_gets_fewer(allowed: int) -> None:
    """The rate settles near what the server allows, so few polls get a 429."""
    found = lag(allowed=allowed, tasks=2000)
    assert found.refused < found.polls / 20
    assert found.longest < 2 * 2000 / allowed + SPAN


def test_a_rate_set_by_the_user_is_the_limit() -> None:
    """With `rate=`, no second has more polls, however late they are."""
    limiter = budget(20.0)
    simulation = Simulation(completed)
    for flow in waits(limiter, 400, in_one_wait=False):
        simulation.begin(flow)
    simulation.run()
    sent = sorted(simulation.sent)
    assert len(sent) == 400
    assert all(
        later - earlier >= 1 - SLACK for earlier, later in zip(sent, sent[20:], strict=False)
    )
