"""Laws of the pause between two looks, and the figures that it was chosen for."""

from __future__ import annotations

import pytest
from benchmarks.pacing.__main__ import SEEN, UNSEEN, beaten, ours, shares
from hypothesis import given
from hypothesis import strategies as st

from wanflow._core import poll_schedule
from wanflow._core.effects import TimePoint
from wanflow._core.poll_schedule import PollSchedule
from wanflow._core.snapshot import Snapshot

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
    """Whatever was told of a task, it is looked at again after half a second to half a minute."""
    instant = TimePoint(begun, 1_760_000_000.0)
    track = PollSchedule(begun, estimate=estimate).with_submission_time(instant, submitted)
    for seconds, found in history:
        instant = TimePoint(instant.monotonic + seconds, instant.wall + seconds)
        track = track.updated(instant, found)
        assert 0.25 <= track.next_delay(instant.monotonic, chance) <= 30


@given(wanted=st.floats(0, 1e6), asked=st.none() | st.floats(0, 1e9), left=st.floats(0, 1e6))
def test_a_pause_ends_at_the_deadline(wanted: float, asked: float | None, left: float) -> None:
    """What the server asks for is kept, and the deadline before it."""
    found = poll_schedule.delay_within(wanted, asked, left)
    assert 0 <= found <= left
    assert found == left or found >= max(wanted, asked or 0)


def test_a_fault_is_followed_by_a_look_soon() -> None:
    """What one look didn't tell, the next may: pauses begin at half a second again."""
    instant = TimePoint(0, 0)
    track = PollSchedule(0, estimate=600)
    calm = track.updated(instant, Snapshot("t", "processing")).next_delay(0, 0.5)
    assert track.updated(instant, None).next_delay(0, 0.5) < 0.6 < calm


@given(
    seconds=st.floats(20, 600),
    queued=st.floats(0, 0.6),
    chance=st.floats(0, 1, exclude_max=True),
    step=st.sampled_from([1, 2, 5, 10, 20, 25]),
)
def test_straight_progress_foretells_the_end(
    seconds: float, queued: float, chance: float, step: int
) -> None:
    """Whatever the steps, the queue and the draws, no forecast is later than the true end."""
    start = queued * seconds
    track, ticks = PollSchedule(0.0), 0.0
    while ticks < seconds:
        done = max(0, int(100 * (ticks - start) / (seconds - start)))
        snapshot = Snapshot("t", "processing", progress=done // step * step)
        track = track.updated(TimePoint(ticks, 0.0), snapshot)
        sure = track._delay(ticks).fixed
        assert ticks + sure <= seconds + 0.01 * seconds
        ticks += track.next_delay(ticks, chance)


@given(estimate=st.floats(0, 3600), age=st.floats(0, 30), chance=st.floats(0, 1, exclude_max=True))
def test_the_first_look_comes_soon_and_knows_the_estimate(
    estimate: float, age: float, chance: float
) -> None:
    """A task is first looked at half a minute after its submission at the latest, or at once."""
    first = PollSchedule(0.0, estimate=estimate).first_delay(age, chance)
    assert 0 <= first <= max(0.0, 30 - age)
    assert PollSchedule(0.0, estimate=0.0).first_delay(age, chance) == 0


@pytest.mark.parametrize("progress", [None, 0, 40, 100, 10**6])
def test_progress_that_stands_still_foretells_nothing(progress: int | None) -> None:
    """However long it stands still, pauses stay what they are where nothing is known."""
    track = PollSchedule(0.0)
    for ticks in range(0, 900, 5):
        track = track.updated(TimePoint(ticks, 0.0), Snapshot("t", "processing", progress=progress))
        blind = PollSchedule(0.0).updated(TimePoint(ticks, 0.0), Snapshot("t", "processing"))
        if ticks > 20:
            assert track.next_delay(ticks, 0.5) == blind.next_delay(ticks, 0.5)


@pytest.mark.parametrize("seeds", [SEEN, *UNSEEN[:2]], ids=str)
def test_no_peer_looks_less_and_finds_sooner(seeds: tuple[int, ...]) -> None:
    """On every model of tasks, no schedule of a peer has both fewer looks and less lag."""
    assert len(ours(seeds)) == 64
    assert beaten(seeds) == []


@pytest.mark.parametrize("seeds", [SEEN, *UNSEEN[:2]], ids=str)
def test_half_the_looks_at_the_same_lag(seeds: tuple[int, ...]) -> None:
    """Over all models: at most the mean lag of the 1→5 s schedule, at most half its looks."""
    looks, lag = shares(seeds)
    assert looks <= 0.5
    assert lag <= 1
