"""How often one client polls: one rate for all its waits, grown while polls are late.

The API publishes no limit, so the limit is found: additive increase while polls have to wait for
their turn and no 429 comes, multiplicative decrease as soon as one does. Each 429 also halves the
increase, so that the rate comes to rest near what the server allows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from math import ceil, sqrt

from attrs import define

LONGEST_PAUSE = 300.0
"""Seconds without a poll that a 429 can ask for at most."""
# A 429 without a number is followed by so many seconds without a poll.
_PAUSE = 2.0
# Each second of answered polls adds this share of the first rate, each poll no more than a part.
_INCREASE = 0.5
_STEP = 0.01
_SLOWEST_INCREASE = 0.01
# A poll is late that began so many seconds after it was due.
_LATE = 0.5
# Answers that come within so many seconds of a 429 were asked for before it.
_ECHO = 1.0
LOWEST_RATE = 0.05
# Where there are many polls, those of so many seconds begin together, as far as there are
# connections for them: a machine that wakes up for each of them does little else.
_STRETCH = 0.04
# Each poll that finds no connection free takes this share of the rate.
_EASING = 0.99
# The queue gets shorter when waits are cancelled, and the rate may grow: it is asked again after
# so many seconds.
_ASKED_AGAIN = 5.0


@define(eq=False)
class Turn:
    """A place in the queue for the next poll, which was due at `wanted`."""

    number: int
    wanted: float
    over: bool = False


class Budget:
    """Polls a second, and at the same time, shared by every wait of a client. Times are in ticks.

    Its methods are to be called by one flow at a time, `leave` and `end` by any.
    """

    def __init__(self, rate: float, at_once: int = 1_000_000, *, most: float = 0.0) -> None:
        """Begin with a rate; it grows up to `most` where that is higher."""
        self._at_once = at_once
        self._flying = 0
        self._first = rate
        self._most = max(rate, most)
        self._rate = rate
        self._increase = rate * _INCREASE
        self._late = False
        self._next = 0.0
        self._until = 0.0
        self._lowered = -_ECHO
        self._warned = False
        self._count = 0
        self._queue: list[int] = []
        self._left: deque[Turn] = deque()

    @property
    def rate(self) -> float:
        """Polls a second, as it is now."""
        return self._rate

    def enter(self, ticks: float, wanted: float) -> Turn:
        """Take the last place in the queue; the poll was due at `wanted`."""
        self._sweep()
        if not self._queue:
            self._next = max(self._next, ticks - self._stretch)
        self._count += 1
        self._queue.append(self._count)
        return Turn(self._count, wanted)

    def leave(self, turn: Turn | None) -> None:
        """Give up a place in the queue, where it is still held. Any thread may, at any point."""
        if turn is not None and not turn.over:
            turn.over = True
            self._left.append(turn)

    def take(self, turn: Turn, ticks: float) -> bool:
        """Begin the poll of a turn, if it is its time → whether it is."""
        self._sweep()
        if self._at(turn) > ticks:
            return False
        self._next = max(self._next, ticks - self._stretch) + 1.0 / self._rate
        if self.full:
            return False
        self._late = ticks - turn.wanted > _LATE
        turn.over = True
        del self._queue[self._ahead(turn)]
        return True

    def wait(self, turn: Turn, ticks: float) -> float:
        """Return the seconds after which `take` is to be tried."""
        self._sweep()
        at = self._at(turn)
        if self._rate < self._most and at - ticks > _STRETCH:
            # Were the rate to grow meanwhile, the turn would come sooner.
            ahead = (at - max(self._until, ticks)) * self._rate
            a, rate = self._increase, self._rate
            at = max(self._until, ticks) + (sqrt(rate * rate + 2 * a * max(0.0, ahead)) - rate) / a
        return max(0.0, min(at - ticks, _ASKED_AGAIN))

    def _at(self, turn: Turn) -> float:
        """Return when a turn comes, by what is known now."""
        at = max(self._next, self._until) + self._ahead(turn) / self._rate
        stretch = self._stretch
        return ceil(at / stretch) * stretch if stretch else at

    def _ahead(self, turn: Turn) -> int:
        return bisect_left(self._queue, turn.number)

    def _sweep(self) -> None:
        while self._left:
            del self._queue[self._ahead(self._left.popleft())]

    @property
    def _stretch(self) -> float:
        stretch = min(_STRETCH, self._at_once / self._rate)
        return stretch if stretch * self._rate > 1 else 0.0

    @property
    def full(self) -> bool:
        """Whether as many polls are in flight as there are connections for them."""
        return self._flying >= self._at_once

    def begin(self) -> None:
        """Begin a poll. One that finds every connection taken makes all polls less frequent."""
        self._flying += 1
        if self.full:
            self._rate = max(LOWEST_RATE, self._rate * _EASING)

    def end(self) -> None:
        """End a poll."""
        self._flying -= 1

    def answered(self) -> None:
        """Take note of a poll that was answered: the rate goes up while polls are late.

        What a 429 took comes back in any case.
        """
        most = self._most if self._late else self._first
        if self._rate < most:
            step = min(self._increase / self._rate, self._first * _STEP)
            self._rate = min(most, self._rate + step)

    def refused(self, ticks: float, asked: float | None) -> None:
        """Take note of a 429: no poll until the pause is over, and half as many after it."""
        self._until = max(self._until, ticks + bounded(_PAUSE if asked is None else asked))
        if ticks - self._lowered >= _ECHO:
            self._rate = max(LOWEST_RATE, self._rate / 2)
            self._increase = max(self._first * _SLOWEST_INCREASE, self._increase / 2)
            self._lowered = ticks

    def warns(self, asked: float | None) -> bool:
        """Tell, once, that a server asks for a longer pause than it gets."""
        told, self._warned = self._warned, self._warned or (asked or 0.0) > LONGEST_PAUSE
        return self._warned and not told


def bounded(asked: float) -> float:
    """Return the seconds of a pause that a server asks for, or the longest that it gets."""
    return min(asked, LONGEST_PAUSE)
