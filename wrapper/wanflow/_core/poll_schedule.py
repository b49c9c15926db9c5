"""How long to wait between two polls of a task, computed from what is known of it.

A poll costs a request, and a late one costs the seconds between a task's end and its detection.
Where the end may come at any time in the next `horizon` seconds, polls that are `p` seconds apart
cost one poll for each `p` seconds and are late by p / 2 on average. The total cost is lowest at
p = sqrt(2 · horizon / worth), where `worth` is what a second of lateness is worth in polls. That
is the only rule. What is known of a task says how far the horizon is, and for how long no end is
expected at all:

- nothing: the horizon stays as far as it was, however long the task has run;
- an estimate: nothing much before it, the end about then, and nothing known after it;
- progress: the end lies between the earliest and the latest that a straight line through what was
  seen allows. A line that none can be drawn through is no forecast, and neither is one that the
  task has outlived.
"""

from __future__ import annotations

from math import gcd, inf, sqrt
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from wanflow._core.retry_policy import backoff
from wanflow._core.snapshot import LINK_LIFETIME

if TYPE_CHECKING:
    from wanflow._core.effects import TimePoint
    from wanflow._core.snapshot import Snapshot

WORTH = 2.7
"""What a second of lateness is worth, in polls.

Like the other figures here it was chosen on the models of benchmarks/poll_schedule; RESULTS.md has
what came of it.
"""
WORTH_OF_MANY = 0.7
"""The same for a task that is one of many, whose polls it delays by its own."""
# Seconds.
_HORIZON = 55.0
_MIN_DELAY = 0.5
# No forecast is believed for longer: a task may end before its time.
_MAX_DELAY = 30.0
# An estimate stands for the end from so much before it to so much after it, as shares of it, and
# is right about half the time.
_WINDOW_BEFORE = 0.03
_WINDOW_AFTER = 0.06
_ESTIMATE_RELIABILITY = 0.48
# Before the window of an estimate the horizon is so many times as far: an end is less likely
# then, and least in the second half, where one that is far too long has been found out.
_FIRST_HALF_FACTOR = 2.7
_SECOND_HALF_FACTOR = 9.0
# Progress isn't quite straight, and foretells the end only to this share of the task's age.
_TOLERANCE = 0.004
# How far a line through the last two rises only is believed.
_RECENT_LINE_SHARE = 0.5
# The random share of a pause, so that tasks submitted together aren't polled together.
_JITTER_SHARE = 0.2
# The longest interval in seconds between two polls, however reliable callbacks are.
_MAX_SLOWED_DELAY = 30.0


@frozen
class ProgressStep:
    """Progress reached `percent` after `early` and not after `late`, in ticks."""

    early: float
    late: float
    percent: int


@frozen
class Delay:
    """A pause in seconds: nothing can happen in the `fixed` part; the `variable` part follows."""

    fixed: float
    variable: float

    def with_jitter(self, jitter: float) -> float:
        """Return its length; `jitter` in [0, 1) spreads the polls of similar tasks."""
        return self.fixed + self.variable * (1 - _JITTER_SHARE / 2 + _JITTER_SHARE * jitter)


@frozen
class PollSchedule:
    """What is known of a task's progress over time. Times are in seconds of the monotonic clock.

    `submitted_at` is when it was submitted, as far as is known; `estimate` is the seconds that the
    API said it takes; `polled` is the time of the last poll; `progress_steps` are the first rise of
    its progress and the last two; all percentages seen are multiples of `granularity`;
    `failed_polls` counts the polls since the last successful one; `worth` is what a second of
    lateness is worth, in polls.
    """

    submitted_at: float
    estimate: float | None = None
    polled: float | None = None
    progress_steps: tuple[ProgressStep, ...] = ()
    granularity: int = 0
    failed_polls: int = 0
    worth: float = WORTH

    def with_submission_time(self, time_point: TimePoint, created: float | None) -> PollSchedule:
        """Return what is known once the API's clock has said when, in unix seconds."""
        age = inf if created is None else time_point.wall - created
        # A clock that is wrong makes a task older than any, or not born yet.
        submitted_at = time_point.monotonic - age
        return (
            evolve(self, submitted_at=submitted_at)
            if 0 <= age <= LINK_LIFETIME and submitted_at < self.submitted_at
            else self
        )

    def first_delay(self, now: float, jitter: float) -> float:
        """Return the seconds to the first poll of a task whose submission time is known."""
        delay = 0.0 if self.estimate == 0 else self._delay(self.submitted_at).with_jitter(jitter)
        return max(0.0, min(_MAX_DELAY, delay) - (now - self.submitted_at))

    def updated(self, time_point: TimePoint, snapshot: Snapshot | None) -> PollSchedule:
        """Return what is known after a poll; `snapshot` is None where the poll failed."""
        if snapshot is None:
            return evolve(self, failed_polls=self.failed_polls + 1)
        submitted_at, progress_steps, granularity = (
            self.with_submission_time(time_point, snapshot.created).submitted_at,
            self.progress_steps,
            self.granularity,
        )
        percent = min(snapshot.progress or 0, 99)
        if percent > (progress_steps[-1].percent if progress_steps else 0):
            early = submitted_at if self.polled is None else self.polled
            progress_steps = (
                *progress_steps[:1],
                *progress_steps[1:][-1:],
                ProgressStep(early, time_point.monotonic, percent),
            )
            granularity = gcd(granularity, percent)
        estimate = snapshot.estimated_time or self.estimate
        return PollSchedule(
            submitted_at,
            estimate,
            time_point.monotonic,
            progress_steps,
            granularity,
            worth=self.worth,
        )

    def next_delay(self, now: float, jitter: float) -> float:
        """Return the seconds to the next poll; `jitter` in [0, 1) spreads similar tasks' polls."""
        interval = min(_MAX_DELAY, self._delay(now).with_jitter(jitter))
        if self.failed_polls:
            interval = min(interval, backoff(self.failed_polls - 1, jitter))
        return max(_MIN_DELAY, interval)

    def _delay(self, now: float) -> Delay:
        return (
            self._by_progress(now)
            or self._by_estimate(now)
            or Delay(0, self._optimal_interval(_HORIZON))
        )

    def _by_progress(self, now: float) -> Delay | None:
        """Return the pause where progress foretells an end that is still to come."""
        if not self.progress_steps or self.polled is None:
            return None
        early, late = _end_window(
            self.progress_steps, self.granularity, self.polled, self.submitted_at
        )
        share = 1.0
        if early > late and len(self.progress_steps) > 2:  # noqa: PLR2004
            early, late = _end_window(self.progress_steps[1:], self.granularity, self.polled, None)
            share = _RECENT_LINE_SHARE
        tolerance = _TOLERANCE * (now - self.submitted_at)
        if early > late or now >= late + tolerance:
            return None
        early = max(early, now)
        return Delay(
            (early - now) * share, self._optimal_interval(late + tolerance - early) * share
        )

    def _by_estimate(self, now: float) -> Delay | None:
        """Return the pause where the API's estimate is still to come, or just now."""
        age = now - self.submitted_at
        if self.estimate is None or age >= self.estimate * (1 + _WINDOW_AFTER):
            return None
        start = max(self.estimate * (1 - _WINDOW_BEFORE), age)
        until_window = Delay(
            start - age,
            self._optimal_interval(
                (self.estimate * (1 + _WINDOW_AFTER) - start) / _ESTIMATE_RELIABILITY
            ),
        )
        before_window = self._optimal_interval(
            _HORIZON * (_FIRST_HALF_FACTOR if age < self.estimate / 2 else _SECOND_HALF_FACTOR)
        )
        return (
            until_window
            if until_window.fixed + until_window.variable < before_window
            else Delay(0, before_window)
        )

    def _optimal_interval(self, horizon: float) -> float:
        return sqrt(2 * horizon / self.worth)


def _end_window(
    progress_steps: tuple[ProgressStep, ...],
    granularity: int,
    polled: float,
    submitted_at: float | None,
) -> tuple[float, float]:
    """Return when a straight line through the rises is at 100 % at the earliest and the latest.

    Each rise says by when its percentage was reached, and when it, or a step more, had not been.
    Any two of these, one of each kind, bound the line; the narrowest bounds are the answer. The
    earliest is after the latest where no straight line fits.
    """
    reached = [(rise.percent, rise.late) for rise in progress_steps]
    missing = [(rise.percent, rise.early) for rise in progress_steps]
    missing += [(rise.percent + granularity, rise.late) for rise in progress_steps]
    missing += [(progress_steps[-1].percent + granularity, polled)]
    if submitted_at is not None:
        missing.append((0, submitted_at))
    earliest, latest = -inf, inf
    for percent, by in reached:
        for other, after in missing:
            if other < percent:
                slope = (by - after) / (percent - other)
                latest = min(latest, by + (100 - percent) * slope)
            elif percent < other < 100:  # noqa: PLR2004
                slope = (after - by) / (other - percent)
                earliest = max(earliest, after + (100 - other) * slope)
    return earliest, latest


def slowed(interval: float, factor: float) -> float:
    """Return an interval that callbacks allow to be longer, up to half a minute."""
    return max(interval, min(interval * factor, _MAX_SLOWED_DELAY))


def delay_within(interval: float, retry_after: float | None, time_left: float) -> float:
    """Return the seconds to sleep: what the server asked for if that is longer, never past the end.

    Args:
        interval: the interval of the schedule.
        retry_after: the server's Retry-After.
        time_left: seconds until the deadline.
    """
    return max(0.0, min(max(interval, retry_after or 0.0), time_left))
