"""How long to wait between two looks at a task: as long as what is known of it allows.

Three things are known, each better than the one before it: how long the task has run, how long
the API said it takes, and how its progress went. The last one that says something predicts the
end; the next look is there, or part of the way where the prediction is young. Past a prediction
the pauses double, as they do where nothing is known, up to a ceiling.
"""

from __future__ import annotations

from math import gcd, inf
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from wanflow._core.retry import backoff

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow._core.effects import Instant
    from wanflow._core.snapshot import Snapshot

# All in seconds. Chosen on the models of benchmarks/pacing; RESULTS.md has the figures.
_FIRST = 6.0
_SHORTEST = 0.5
_CEILING = 8.8
_CEILING_ESTIMATED = 9.0
_CEILING_TRUSTED = 25.0
_CEILING_COARSE = 14.0
_CEILING_YOUNG = 30.0
_CEILING_PREDICTED = 60.0
# A look is placed this far behind a predicted end, as a share of what is left: a look that comes
# just before the end costs another.
_BEHIND = 0.01
_THIRD = 0.36
# The first pause past a predicted end, as a share of the task's age.
_PAST = 0.02
# A prediction that is wrong by this share of the task's age is given up.
_REFUTED = 0.02
# Progress over fewer percent than this is too short a stretch to foretell the whole from.
_STRETCH = 10
_YOUNG = 0.7
_TRUST_COARSE = 0.5
# Progress that comes in multiples of so many percent tells its moment only roughly.
_COARSE = 5
_SPREAD = 0.1
# Links and tasks live for a day.
_OLDEST = 86_400.0
# However surely callbacks come, a task is looked at so often, in seconds.
_SLOWEST = 30.0


@frozen
class _Guess:
    """An expected end, in ticks: the longest pause until it, the share of the way that is safe to
    go at once, and by how many seconds it may be wrong before it is given up.
    """

    end: float
    ceiling: float
    trust: float
    doubt: float = 0.0


@frozen
class Change:
    """Progress rose to `percent` between two looks, at `early` and at `late`, in ticks."""

    early: float
    late: float
    percent: int


@frozen
class Track:
    """What is known of a task's course. Moments are in ticks, in seconds.

    `begun` is when it was submitted, as far as is known; `estimate` the seconds that the API
    said it takes; `looked` the last look; `first` and `last` are the first and the last rise of
    its progress, and `step` the percentage of which all that was seen are multiples; `faults`
    counts the looks since the last one that taught something.
    """

    begun: float
    estimate: float | None = None
    looked: float | None = None
    first: Change | None = None
    last: Change | None = None
    step: int = 0
    faults: int = 0

    def submitted(self, instant: Instant, created: float | None) -> Track:
        """Return what is known once the API's clock has said when, in unix seconds."""
        age = inf if created is None else instant.unix - created
        # A clock that is wrong makes a task older than any, or not born yet.
        if not 0 <= age <= _OLDEST:
            return self
        return evolve(self, begun=min(self.begun, instant.ticks - age))

    def after(self, instant: Instant, found: Snapshot | None) -> Track:
        """Return what is known after a look, None where it taught nothing."""
        if found is None:
            return evolve(self, faults=self.faults + 1)
        estimate = found.estimated_time or self.estimate
        told = evolve(
            self.submitted(instant, found.created),
            looked=instant.ticks,
            faults=0,
            estimate=estimate,
        )
        percent = found.progress
        if percent is None or percent <= (self.last.percent if self.last else 0):
            return told
        early = told.begun if self.looked is None else self.looked
        change = Change(early, instant.ticks, percent)
        return evolve(told, first=self.first or change, last=change, step=gcd(self.step, percent))

    def interval(self, ticks: float, chance: float) -> float:
        """Return the seconds until the next look; `chance` in [0, 1) spreads those of twins."""
        wanted = self._wanted(ticks)
        if self.faults:
            return max(_SHORTEST, min(wanted, backoff(self.faults - 1, chance)))
        return max(_SHORTEST, wanted * (1 - _SPREAD / 2 + _SPREAD * chance))

    def _wanted(self, ticks: float) -> float:
        age = ticks - self.begun
        for guess in self._guesses(ticks):
            left = guess.end - ticks
            if left > 0:
                return min(left * (guess.trust + _BEHIND), guess.ceiling)
            if -left < max(_REFUTED * age, guess.doubt):
                return min(max(_PAST * age, -left), _CEILING)
        return min(max(_FIRST, age), _CEILING)

    def _guesses(self, ticks: float) -> Iterator[_Guess]:
        """Give expected ends, the best first."""
        first, last, estimated = self.first, self.last, self.begun + (self.estimate or inf)
        coarse = self.step >= _COARSE
        if first and last and last.percent > first.percent:
            early, late = _moment(first, coarse=coarse), _moment(last, coarse=coarse)
            stretch = last.percent - first.percent
            end = late + (100 - last.percent) * (late - early) / stretch
            if coarse:
                doubt = last.late - last.early
                yield _Guess(end, _CEILING_COARSE, _TRUST_COARSE, doubt)
            else:
                trust = 1.0 if stretch >= _STRETCH else _YOUNG
                yield _Guess(end, _CEILING_PREDICTED, trust)
        elif last:
            # How long it queued isn't known, so this is the latest end, and none before a rise.
            end = self.begun + (last.late - self.begun) * 100 / last.percent
            if end < estimated:
                yield _Guess(end, _CEILING if coarse else _CEILING_YOUNG, _YOUNG)
        if self.estimate:
            # One that is three times too long is found out after a third of it.
            doubtful = ticks - self.begun < self.estimate * _THIRD
            yield _Guess(estimated, _CEILING_ESTIMATED if doubtful else _CEILING_TRUSTED, 1.0)


def _moment(change: Change, *, coarse: bool) -> float:
    return (change.early + change.late) / 2 if coarse else change.late


def stretched(wanted: float, factor: float) -> float:
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
