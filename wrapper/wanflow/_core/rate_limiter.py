"""How often one client polls: one rate for all its waits, grown while polls are late.

The API publishes no limit, so the limit is found: additive increase while polls have to wait for
their turn and no 429 comes, multiplicative decrease as soon as one does. Each 429 also halves the
increase, so that the rate comes to rest near what the server allows.

Polls that wait stand in a queue. The first one knows the moment of its turn and sleeps until then;
it grants all turns that have come by that moment, and wakes those that have them and the one that
is first then. So each poll is woken for its own turn, and few are woken once more to be the first.
"""

from __future__ import annotations

from math import ceil

from attrs import define, field

from wanflow._core.effects import WakeHandle

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
# A poll that isn't the first wakes up by itself so many seconds after its turn should have come:
# the first one may sleep in an event loop that is busy with something else.
_GRACE = 1.0


@define(eq=False)
class Turn(WakeHandle):
    """A place in the queue for the next poll, which was due at `wanted`."""

    wanted: float
    number: int = field(default=0, init=False)
    granted: bool = field(default=False, init=False)
    over: bool = field(default=False, init=False)
    after: Turn | None = field(default=None, init=False, repr=False)

    @property
    def waits(self) -> bool:
        """Whether it may still be granted."""
        return not (self.granted or self.over)


class PollRateLimiter:
    """Polls a second, and at the same time, shared by every wait of a client. Times are in ticks.

    Its methods are to be called by one flow at a time, `leave` and `end` by any.
    """

    def __init__(self, rate: float, at_once: int = 1_000_000, *, most: float = 0.0) -> None:
        """Begin with a rate; it grows up to `most` where that is higher."""
        self._at_once = at_once
        self._first = rate
        self._most = max(rate, most)
        self._rate = rate
        self._increase = rate * _INCREASE
        self._late = False
        self._next = 0.0
        self._until = 0.0
        self._lowered = -_ECHO
        self._warned = False
        self._last = Turn(0.0)
        self.renew()

    def renew(self) -> None:
        """Begin with nobody waiting and nothing in flight; who waits all the same asks again."""
        self._flying = 0
        self._unused: set[Turn] = set()
        # A chain of all turns from here on. Those that are over are passed by, not taken out, and
        # a new one always goes to the end: so `leave` needs no lock.
        self._earlier = self._last.number
        self._front = self._last = Turn(0.0)
        self._last.number, self._last.over = self._earlier, True

    @property
    def rate(self) -> float:
        """Polls a second, as it is now."""
        return self._rate

    def ask(self, turn: Turn, ticks: float) -> float | None:
        """Begin the poll of a turn, if its time has come; one that is new takes the last place.

        Returns None, or the seconds after which to ask again, if the turn isn't woken before.
        """
        if turn.number <= self._earlier:
            self._enter(turn, ticks)
        self._grant(ticks)
        if not turn.granted:
            return self.delay(turn, ticks)
        turn.over = True
        self._unused.discard(turn)
        return None

    def _enter(self, turn: Turn, ticks: float) -> None:
        if self._first_turn() is None:
            self._next = max(self._next, ticks - self._stretch)
        turn.number, turn.after = self._last.number + 1, None
        self._last.after = turn
        self._last = turn

    def leave(self, turn: Turn | None) -> None:
        """Give up a place in the queue, where it is still held. Any thread may, at any point."""
        if turn is None or turn.over:
            return
        was_first = self._first_turn() is turn
        turn.over = True
        self._unused.discard(turn)
        first = self._first_turn()
        if was_first and first is not None:
            first.wake()

    def delay(self, turn: Turn, ticks: float) -> float:
        """Return the seconds after which to ask for a turn, if it isn't woken before."""
        at, first = self._at, self._first_turn()
        if first is not None and first is not turn:
            at += (turn.number - first.number) / self._rate + _GRACE
        return max(0.0, at - ticks)

    def _grant(self, ticks: float) -> None:
        """Grant all turns that have come, and have the next one wait for its moment."""
        before = turn = self._first_turn()
        while turn is not None and self._at <= ticks:
            self._next = max(self._next, ticks - self._stretch) + 1.0 / self._rate
            if self._flying + len(self._unused) >= self._at_once:
                continue
            self._late = ticks - turn.wanted > _LATE
            self._unused.add(turn)
            turn.granted = True
            turn.wake()
            turn = self._first_turn()
        if turn is not None and turn is not before:
            turn.wake()

    @property
    def _at(self) -> float:
        """When the first turn comes."""
        at, stretch = max(self._next, self._until), self._stretch
        return ceil(at / stretch) * stretch if stretch else at

    def _first_turn(self) -> Turn | None:
        """Return the first turn that waits."""
        turn = self._front
        while not turn.waits and turn.after is not None:
            turn = turn.after
        self._front = turn
        return turn if turn.waits else None

    @property
    def _stretch(self) -> float:
        stretch = min(_STRETCH, self._at_once / self._rate)
        return stretch if stretch * self._rate > 1 else 0.0

    def start_poll(self) -> None:
        """Begin a poll. One that finds every connection taken makes all polls less frequent."""
        self._flying += 1
        if self._flying >= self._at_once:
            self._rate = max(LOWEST_RATE, self._rate * _EASING)

    def finish_poll(self) -> None:
        """End a poll."""
        self._flying -= 1

    def on_success(self) -> None:
        """Take note of a poll that was answered: the rate goes up while polls are late.

        What a 429 took comes back in any case.
        """
        most = self._most if self._late else self._first
        if self._rate < most:
            step = min(self._increase / self._rate, self._first * _STEP)
            self._rate = min(most, self._rate + step)

    def on_rate_limited(self, ticks: float, asked: float | None) -> None:
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
