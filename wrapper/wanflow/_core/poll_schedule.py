"""How long to wait between two looks at a task: as long as what is known of it allows.

A look costs a request, and a late one costs the seconds between a task's end and its detection.
Where the end may come at any moment of the `horizon` seconds ahead, looks that are `p` seconds
apart cost one look for each `p` seconds and are late by p / 2 on average, which is least dear at
p = sqrt(2 · horizon / worth), `worth` being what a second of lateness is worth in looks. That is
the only rule. What is known of a task says how far the horizon is, and how long nothing is to be
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

if TYPE_CHECKING:
    from wanflow._core.effects import TimePoint
    from wanflow._core.snapshot import Snapshot

# What a second of lateness is worth, in looks. Like the other figures here it was chosen on the
# models of benchmarks/pacing; RESULTS.md has what came of it.
_WORTH = 2.7
# Seconds.
_HORIZON = 55.0
_SHORTEST = 0.5
# No forecast is believed for longer: a task may end before its time.
_LONGEST = 30.0
# An estimate stands for the end from so much before it to so much after it, as shares of it, and
# is right about half the time.
_BEFORE = 0.03
_AFTER = 0.06
_RIGHT = 0.48
# Before the window of an estimate the horizon is so many times as far: an end is less likely
# then, and least in the second half, where one that is far too long has been found out.
_EARLY = 2.7
_LATER = 9.0
# Progress isn't quite straight, and foretells the end only to this share of the task's age.
_SLACK = 0.004
# How far a line through the last two rises only is believed.
_BENT = 0.5
# How much of a pause is drawn, so that twins don't look together.
_SPREAD = 0.2
# Links and tasks live for a day.
_OLDEST = 86_400.0
# However surely callbacks come, a task is looked at so often, in seconds.
_SLOWEST = 30.0


@frozen
class ProgressStep:
    """Progress reached `percent` after `early` and not after `late`, in ticks."""

    early: float
    late: float
    percent: int


@frozen
class Delay:
    """A pause in seconds: `sure` of it pass before anything can happen, and then the rest."""

    sure: float
    rest: float

    def with_jitter(self, chance: float) -> float:
        """Return its length; `chance` in [0, 1) spreads those of twins."""
        return self.sure + self.rest * (1 - _SPREAD / 2 + _SPREAD * chance)


@frozen
class PollSchedule:
    """What is known of a task's course. Moments are in ticks, in seconds.

    `begun` is when it was submitted, as far as is known; `estimate` the seconds that the API
    said it takes; `looked` the last look; `rises` the first rise of its progress and the last two;
    `step` the percentage of which all that was seen are multiples; `faults` counts the looks
    since the last one that taught something.
    """

    begun: float
    estimate: float | None = None
    polled: float | None = None
    rises: tuple[ProgressStep, ...] = ()
    step: int = 0
    faults: int = 0

    def submitted(self, instant: TimePoint, created: float | None) -> PollSchedule:
        """Return what is known once the API's clock has said when, in unix seconds."""
        age = inf if created is None else instant.wall - created
        # A clock that is wrong makes a task older than any, or not born yet.
        begun = instant.monotonic - age
        return evolve(self, begun=begun) if 0 <= age <= _OLDEST and begun < self.begun else self

    def first(self, ticks: float, chance: float) -> float:
        """Return the seconds until the first look at a task that was seen when it was submitted."""
        whole = 0.0 if self.estimate == 0 else self._pause(self.begun).with_jitter(chance)
        return max(0.0, min(_LONGEST, whole) - (ticks - self.begun))

    def updated(self, instant: TimePoint, found: Snapshot | None) -> PollSchedule:
        """Return what is known after a look, None where it taught nothing."""
        if found is None:
            return evolve(self, faults=self.faults + 1)
        begun, rises, step = self.submitted(instant, found.created).begun, self.rises, self.step
        percent = min(found.progress or 0, 99)
        if percent > (rises[-1].percent if rises else 0):
            early = begun if self.polled is None else self.polled
            rises = (*rises[:1], *rises[1:][-1:], ProgressStep(early, instant.monotonic, percent))
            step = gcd(step, percent)
        estimate = found.estimated_time or self.estimate
        return PollSchedule(begun, estimate, instant.monotonic, rises, step)

    def next_delay(self, ticks: float, chance: float) -> float:
        """Return the seconds until the next look; `chance` in [0, 1) spreads those of twins."""
        wanted = min(_LONGEST, self._pause(ticks).with_jitter(chance))
        if self.faults:
            wanted = min(wanted, backoff(self.faults - 1, chance))
        return max(_SHORTEST, wanted)

    def _pause(self, ticks: float) -> Delay:
        return self._by_progress(ticks) or self._by_estimate(ticks) or Delay(0, _best(_HORIZON))

    def _by_progress(self, ticks: float) -> Delay | None:
        """Return the pause where progress foretells an end that is still to come."""
        if not self.rises or self.polled is None:
            return None
        early, late = _window(self.rises, self.step, self.polled, self.begun)
        believed = 1.0
        if early > late and len(self.rises) > 2:  # noqa: PLR2004
            early, late = _window(self.rises[1:], self.step, self.polled, None)
            believed = _BENT
        slack = _SLACK * (ticks - self.begun)
        if early > late or ticks >= late + slack:
            return None
        early = max(early, ticks)
        return Delay((early - ticks) * believed, _best(late + slack - early) * believed)

    def _by_estimate(self, ticks: float) -> Delay | None:
        """Return the pause where the API's estimate is still to come, or just now."""
        age = ticks - self.begun
        if self.estimate is None or age >= self.estimate * (1 + _AFTER):
            return None
        start = max(self.estimate * (1 - _BEFORE), age)
        there = Delay(start - age, _best((self.estimate * (1 + _AFTER) - start) / _RIGHT))
        sooner = _best(_HORIZON * (_EARLY if age < self.estimate / 2 else _LATER))
        return there if there.sure + there.rest < sooner else Delay(0, sooner)


def _best(horizon: float) -> float:
    return sqrt(2 * horizon / _WORTH)


def _window(
    rises: tuple[ProgressStep, ...], step: int, looked: float, begun: float | None
) -> tuple[float, float]:
    """Return when a straight line through the rises is at 100 % at the earliest and the latest.

    Each rise says by when its percentage was reached, and when it, or a step more, had not been.
    Any two of these, one of each kind, bound the line; the narrowest bounds are the answer. The
    earliest is after the latest where no straight line fits.
    """
    reached = [(rise.percent, rise.late) for rise in rises]
    missing = [(rise.percent, rise.early) for rise in rises]
    missing += [(rise.percent + step, rise.late) for rise in rises]
    missing += [(rises[-1].percent + step, looked)]
    if begun is not None:
        missing.append((0, begun))
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


def slowed(wanted: float, factor: float) -> float:
    """Return an interval that callbacks allow to be longer, up to half a minute."""
    return max(wanted, min(wanted * factor, _SLOWEST))


def pause(wanted: float, asked: float | None, left: float) -> float:
    """Return the seconds to sleep: what the server asked for if that is longer, never past the end.

    Args:
        wanted: the pacing's own interval.
        asked: the server's Retry-After.
        left: seconds until the deadline.
    """
    return max(0.0, min(max(wanted, asked or 0.0), left))
