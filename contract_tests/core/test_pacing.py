"""Laws of the pause between two looks, and the figures that it was chosen for."""

from __future__ import annotations

from functools import cache

import pytest
from benchmarks.pacing.schedules import PEERS, YARDSTICK, Score, by_rule, by_schedule
from benchmarks.pacing.tasks import DURATIONS, MODELS, SimulatedTask, tasks
from hypothesis import given
from hypothesis import strategies as st

from wanflow._core import pacing
from wanflow._core.budget import Budget
from wanflow._core.effects import Instant
from wanflow._core.pacing import Track
from wanflow._core.snapshot import Snapshot

COUNT, SEEDS = 60, (0, 1, 2)
"""The tasks that the figures are of: so many of each model, for each seed."""

looks = st.lists(
    st.tuples(
        st.floats(0, 300),
        st.none()
        | st.builds(
            lambda progress, estimate, created: Snapshot(
                "t", "processing", progress=progress, estimated_time=estimate, created=created
            ),
            st.none() | st.integers(0, 10**6),
            st.none() | st.floats(0, 2**53),
            st.none() | st.integers(0, 2**53),
        ),
    ),
    max_size=30,
)


@given(
    begun=st.floats(0, 1e6),
    estimate=st.none() | st.floats(0, 2**53),
    submitted=st.none() | st.floats(0, 1e10),
    history=looks,
    chance=st.floats(0, 1, exclude_max=True),
)
def test_a_pause_is_never_long_and_never_nothing(
    begun: float,
    estimate: float | None,
    submitted: float | None,
    history: list[tuple[float, Snapshot | None]],
    chance: float,
) -> None:
    """Whatever was told of a task, it is looked at again after a quarter to fifty seconds."""
    instant = Instant(begun, 1_760_000_000.0)
    track = Track(begun, estimate=estimate).submitted(instant, submitted)
    for seconds, found in history:
        instant = Instant(instant.ticks + seconds, instant.unix + seconds)
        track = track.after(instant, found)
        assert 0.25 <= track.interval(instant.ticks, chance) <= 65


@given(wanted=st.floats(0, 1e6), asked=st.none() | st.floats(0, 1e9), left=st.floats(0, 1e6))
def test_a_pause_ends_at_the_deadline(wanted: float, asked: float | None, left: float) -> None:
    """What the server asks for is kept, and the deadline before it."""
    found = pacing.pause(wanted, asked, left)
    assert 0 <= found <= left
    assert found == left or found >= max(wanted, asked or 0)


def test_a_fault_is_followed_by_a_look_soon() -> None:
    """What one look didn't tell, the next may: pauses begin at half a second again."""
    instant = Instant(0, 0)
    track = Track(0, estimate=600)
    calm = track.after(instant, Snapshot("t", "processing")).interval(0, 0.5)
    assert track.after(instant, None).interval(0, 0.5) < 0.6 < calm


def drawn(model: tuple[str, str, str]) -> list[SimulatedTask]:
    """The tasks of a model."""
    return [task for seed in SEEDS for task in tasks(model, COUNT, seed)]


@cache
def scores() -> dict[tuple[str, str, str], tuple[Score, dict[str, Score]]]:
    """Ours and the peers' on every model. What a peer does depends on the duration alone."""
    peers = {
        duration: {
            name: by_schedule(schedule, drawn((duration, "absent", "smooth")))
            for name, schedule in PEERS.items()
        }
        for duration in DURATIONS
    }
    return {model: (by_rule(drawn(model)), peers[model[0]]) for model in MODELS}


@pytest.mark.parametrize("model", MODELS, ids=" / ".join)
def test_no_peer_looks_less_and_finds_sooner(model: tuple[str, str, str]) -> None:
    """On every model of tasks, no schedule of a peer has both fewer looks and less lag."""
    ours, peers = scores()[model]
    for name, peer in peers.items():
        assert not (peer.polls < ours.polls and peer.lag < ours.lag), (name, peer, ours)


SHARE = 0.52
"""Of the looks of the 1→5 s schedule. The goal is 0.5; benchmarks/RESULTS.md has the figures."""


def test_half_the_looks_at_the_same_lag() -> None:
    """Over all models: at most the mean lag of the 1→5 s schedule, at about half its looks."""
    all_ = scores().values()
    assert len(all_) == 64
    ours = [one for one, _ in all_]
    yard = [peers[YARDSTICK] for _, peers in all_]
    assert sum(one.lag for one in ours) <= sum(one.lag for one in yard)
    assert sum(one.polls for one in ours) <= SHARE * sum(one.polls for one in yard)


@given(
    rate=st.floats(0.5, 1000),
    events=st.lists(st.tuples(st.floats(0, 10), st.sampled_from(["look", "429"])), max_size=60),
)
def test_one_budget_bounds_all_looks(rate: float, events: list[tuple[float, str]]) -> None:
    """Reserved looks are never more than the rate allows, and none falls into a 429's pause.

    At more than 25 a second those of 40 ms may come together.
    """
    budget, ticks, until = Budget(rate), 0.0, 0.0
    looks: list[float] = []
    for seconds, event in events:
        ticks += seconds
        if event == "429":
            before = budget.rate
            budget.refused(ticks, 5)
            until = max(until, ticks + 5)
            assert budget.rate <= before
            continue
        told = budget.wait(ticks)
        at = ticks + budget.reserve(ticks)
        assert at == ticks + told
        assert at >= until - 1e-9
        slack = 0.08 if rate > 25 else 0.0
        for between, earlier in enumerate(reversed(looks), 1):
            assert at - earlier >= between / rate - slack - 1e-6
        looks.append(at)


def test_the_budget_recovers() -> None:
    """Answers bring the rate back to the full, and never past it."""
    budget = Budget(10)
    budget.refused(0, None)
    assert budget.rate == 5
    for _ in range(1000):
        budget.answered()
    assert budget.rate == 10
