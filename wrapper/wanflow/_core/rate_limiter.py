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
_DEFAULT_PAUSE = 2.0
# Each second of answered polls adds this share of the first rate, each poll no more than a part.
_INCREASE_SHARE = 0.5
_MAX_STEP_SHARE = 0.01
_MIN_INCREASE_SHARE = 0.01
# A poll is late that began so many seconds after it was due.
_LATE_AFTER = 0.5
# Answers that come within so many seconds of a 429 were asked for before it.
_SAME_CAUSE_WINDOW = 1.0
LOWEST_RATE = 0.05
# Where there are many polls, those of so many seconds begin together, as far as there are
# connections for them: a machine that wakes up for each of them does little else.
_GROUP_INTERVAL = 0.04
# Each poll that finds no connection free takes this share of the rate.
_SATURATED_FACTOR = 0.99
# A poll that isn't the first wakes up by itself so many seconds after its turn should have come:
# the first one may sleep in an event loop that is busy with something else.
_GRACE = 1.0


@define(eq=False)
class Turn(WakeHandle):
    """A place in the queue for the next poll, which was due at `wanted`."""

    due: float
    number: int = field(default=0, init=False)
    granted: bool = field(default=False, init=False)
    finished: bool = field(default=False, init=False)
    next: Turn | None = field(default=None, init=False, repr=False)

    @property
    def waiting(self) -> bool:
        """Whether it may still be granted."""
        return not (self.granted or self.finished)


class PollRateLimiter:
    """Polls a second, and at the same time, shared by every wait of a client. Times are in ticks.

    Its methods are to be called by one flow at a time, `leave` and `end` by any.
    """

    def __init__(
        self, rate: float, max_in_flight: int = 1_000_000, *, max_rate: float = 0.0
    ) -> None:
        """Begin with a rate; it grows up to `most` where that is higher."""
        self._max_in_flight = max_in_flight
        self._initial_rate = rate
        self._max_rate = max(rate, max_rate)
        self._rate = rate
        self._increase = rate * _INCREASE_SHARE
        self._late = False
        self._next_poll_at = 0.0
        self._paused_until = 0.0
        self._last_lowered = -_SAME_CAUSE_WINDOW
        self._warned = False
        self._last = Turn(0.0)
        self.renew()

    def renew(self) -> None:
        """Begin with nobody waiting and nothing in flight; who waits all the same asks again."""
        self._in_flight = 0
        self._granted: set[Turn] = set()
        # A chain of all turns from here on. Those that are over are passed by, not taken out, and
        # a new one always goes to the end: so `leave` needs no lock.
        self._last_renewed = self._last.number
        self._front = self._last = Turn(0.0)
        self._last.number, self._last.finished = self._last_renewed, True

    @property
    def rate(self) -> float:
        """Polls a second, as it is now."""
        return self._rate

    def try_acquire(self, turn: Turn, now: float) -> float | None:
        """Begin the poll of a turn, if its time has come; one that is new takes the last place.

        Returns None, or the seconds after which to ask again, if the turn isn't woken before.
        """
        if turn.number <= self._last_renewed:
            self._enter(turn, now)
        self._grant(now)
        if not turn.granted:
            return self.delay(turn, now)
        turn.finished = True
        self._granted.discard(turn)
        return None

    def _enter(self, turn: Turn, now: float) -> None:
        if self._first_waiting() is None:
            self._next_poll_at = max(self._next_poll_at, now - self._group_interval)
        turn.number, turn.next = self._last.number + 1, None
        self._last.next = turn
        self._last = turn

    def cancel(self, turn: Turn | None) -> None:
        """Give up a place in the queue, where it is still held. Any thread may, at any point."""
        if turn is None or turn.finished:
            return
        was_first = self._first_waiting() is turn
        turn.finished = True
        self._granted.discard(turn)
        first = self._first_waiting()
        if was_first and first is not None:
            first.wake()

    def delay(self, turn: Turn, now: float) -> float:
        """Return the seconds after which to ask for a turn, if it isn't woken before."""
        at, first = self._next_turn_at, self._first_waiting()
        if first is not None and first is not turn:
            at += (turn.number - first.number) / self._rate + _GRACE
        return max(0.0, at - now)

    def _grant(self, now: float) -> None:
        """Grant all turns that have come, and have the next one wait for its moment."""
        before = turn = self._first_waiting()
        while turn is not None and self._next_turn_at <= now:
            self._next_poll_at = (
                max(self._next_poll_at, now - self._group_interval) + 1.0 / self._rate
            )
            if self._in_flight + len(self._granted) >= self._max_in_flight:
                continue
            self._late = now - turn.due > _LATE_AFTER
            self._granted.add(turn)
            turn.granted = True
            turn.wake()
            turn = self._first_waiting()
        if turn is not None and turn is not before:
            turn.wake()

    @property
    def _next_turn_at(self) -> float:
        """When the first turn comes."""
        at, interval = max(self._next_poll_at, self._paused_until), self._group_interval
        return ceil(at / interval) * interval if interval else at

    def _first_waiting(self) -> Turn | None:
        """Return the first turn that waits."""
        turn = self._front
        while not turn.waiting and turn.next is not None:
            turn = turn.next
        self._front = turn
        return turn if turn.waiting else None

    @property
    def _group_interval(self) -> float:
        interval = min(_GROUP_INTERVAL, self._max_in_flight / self._rate)
        return interval if interval * self._rate > 1 else 0.0

    def start_poll(self) -> None:
        """Begin a poll. One that finds every connection taken makes all polls less frequent."""
        self._in_flight += 1
        if self._in_flight >= self._max_in_flight:
            self._rate = max(LOWEST_RATE, self._rate * _SATURATED_FACTOR)

    def finish_poll(self) -> None:
        """End a poll."""
        self._in_flight -= 1

    def on_success(self) -> None:
        """Take note of a poll that was answered: the rate goes up while polls are late.

        What a 429 took comes back in any case.
        """
        max_rate = self._max_rate if self._late else self._initial_rate
        if self._rate < max_rate:
            step = min(self._increase / self._rate, self._initial_rate * _MAX_STEP_SHARE)
            self._rate = min(max_rate, self._rate + step)

    def on_rate_limited(self, now: float, retry_after: float | None) -> None:
        """Take note of a 429: no poll until the pause is over, and half as many after it."""
        self._paused_until = max(
            self._paused_until,
            now + bounded_pause(_DEFAULT_PAUSE if retry_after is None else retry_after),
        )
        if now - self._last_lowered >= _SAME_CAUSE_WINDOW:
            self._rate = max(LOWEST_RATE, self._rate / 2)
            self._increase = max(self._initial_rate * _MIN_INCREASE_SHARE, self._increase / 2)
            self._last_lowered = now

    def should_warn(self, retry_after: float | None) -> bool:
        """Return True once, when a server asks for a longer pause than it gets."""
        warned_before, self._warned = (
            self._warned,
            self._warned or (retry_after or 0.0) > LONGEST_PAUSE,
        )
        return self._warned and not warned_before


def bounded_pause(retry_after: float) -> float:
    """Return the seconds of a pause that a server asks for, or the longest that it gets."""
    return min(retry_after, LONGEST_PAUSE)
