"""The pause between two polls, and the measurements for which it was chosen."""

from __future__ import annotations

import pytest
from benchmarks.poll_schedule.__main__ import CHOSEN_ON, UNSEEN, beaten, ours, shares
from hypothesis import given
from hypothesis import strategies as st

from wanflow._core import poll_schedule
from wanflow._core.effects import TimePoint
from wanflow._core.poll_schedule import PollSchedule
from wanflow._core.snapshot import Snapshot

polls = st.lists(
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
    history=polls,
    jitter=st.floats(0, 1, exclude_max=True),
)
def test_a_pause_is_never_too_long_or_zero(
    begun: float,
    estimate: float | None,
    submitted: float | None,
    history: list[tuple[float, Snapshot | None]],
    jitter: float,
) -> None:
    """Whatever the responses contain, the next poll comes after 0.25 to 30 seconds."""
    instant = TimePoint(begun, 1_760_000_000.0)
    schedule = PollSchedule(begun, estimate=estimate).with_submission_time(instant, submitted)
    for seconds, found in history:
        instant = TimePoint(instant.monotonic + seconds, instant.wall + seconds)
        schedule = schedule.updated(instant, found)
        assert 0.25 <= schedule.next_delay(instant.monotonic, jitter) <= 30


@given(wanted=st.floats(0, 1e6), asked=st.none() | st.floats(0, 1e9), left=st.floats(0, 1e6))
def test_a_pause_ends_at_the_deadline(wanted: float, asked: float | None, left: float) -> None:
    """The server's pause is respected, but the deadline comes first."""
    found = poll_schedule.delay_within(wanted, asked, left)
    assert 0 <= found <= left
    assert found == left or found >= max(wanted, asked or 0)


def test_an_error_is_followed_by_a_poll_soon() -> None:
    """After an error, pauses begin at half a second again."""
    instant = TimePoint(0, 0)
    schedule = PollSchedule(0, estimate=600)
    calm = schedule.updated(instant, Snapshot("t", "processing")).next_delay(0, 0.5)
    assert schedule.updated(instant, None).next_delay(0, 0.5) < 0.6 < calm


@given(
    seconds=st.floats(20, 600),
    queued=st.floats(0, 0.6),
    jitter=st.floats(0, 1, exclude_max=True),
    step=st.sampled_from([1, 2, 5, 10, 20, 25]),
)
def test_linear_progress_predicts_the_end(
    seconds: float, queued: float, jitter: float, step: int
) -> None:
    """With any steps, queue and jitter, no prediction is later than the true end."""
    start = queued * seconds
    schedule, time = PollSchedule(0.0), 0.0
    while time < seconds:
        done = max(0, int(100 * (time - start) / (seconds - start)))
        snapshot = Snapshot("t", "processing", progress=done // step * step)
        schedule = schedule.updated(TimePoint(time, 0.0), snapshot)
        sure = schedule._delay(time).fixed
        assert time + sure <= seconds + 0.01 * seconds
        time += schedule.next_delay(time, jitter)


@given(estimate=st.floats(0, 3600), age=st.floats(0, 30), jitter=st.floats(0, 1, exclude_max=True))
def test_the_first_poll_comes_soon_and_uses_the_estimate(
    estimate: float, age: float, jitter: float
) -> None:
    """The first poll comes at most half a minute after the submission."""
    first = PollSchedule(0.0, estimate=estimate).first_delay(age, jitter)
    assert 0 <= first <= max(0.0, 30 - age)
    assert PollSchedule(0.0, estimate=0.0).first_delay(age, jitter) == 0


@pytest.mark.parametrize("progress", [None, 0, 40, 100, 10**6])
def test_progress_without_change_predicts_nothing(progress: int | None) -> None:
    """Pauses are the same as without any progress."""
    schedule = PollSchedule(0.0)
    for time in range(0, 900, 5):
        schedule = schedule.updated(
            TimePoint(time, 0.0), Snapshot("t", "processing", progress=progress)
        )
        without_progress = PollSchedule(0.0).updated(
            TimePoint(time, 0.0), Snapshot("t", "processing")
        )
        if time > 20:
            assert schedule.next_delay(time, 0.5) == without_progress.next_delay(time, 0.5)


@pytest.mark.parametrize(
    "seeds",
    [CHOSEN_ON, UNSEEN[0], pytest.param(UNSEEN[1], marks=pytest.mark.slow)],  # a second each
    ids=str,
)
def test_no_other_schedule_polls_less_and_finds_sooner(seeds: tuple[int, ...]) -> None:
    """For each model of tasks, no schedule of another library has both fewer polls and less lag."""
    assert len(ours(seeds)) == 64
    assert beaten(seeds) == []


@pytest.mark.parametrize(
    "seeds",
    [CHOSEN_ON, UNSEEN[0], pytest.param(UNSEEN[1], marks=pytest.mark.slow)],
    ids=str,
)
def test_half_the_polls_at_the_same_lag(seeds: tuple[int, ...]) -> None:
    """Over all models: at most the mean lag of the 1→5 s schedule, and at most half its polls."""
    polls, lag = shares(seeds)
    assert polls <= 0.5
    assert lag <= 1
