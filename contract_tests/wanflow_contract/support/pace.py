"""How fast requests are sent: at a given rate, and slower after the server asked to wait."""

from __future__ import annotations

import time
from collections import deque
from math import inf
from threading import Lock
from typing import TYPE_CHECKING

from attrs import define, field

from wanflow_contract.checks.error_checks import seconds_until
from wanflow_contract.checks.header_checks import suggested_wait

if TYPE_CHECKING:
    from wanflow_contract.support.exchange import Exchange

WAITS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""How long to wait after each 429 to the same request, in seconds, if it doesn't say."""
_LONGEST_WAIT = 90.0
_SLOWER, _LOWEST_RATE = 0.7, 0.5
_FASTER, _FASTER_AFTER = 1.4, 5.0


class RateLimited(Exception):
    """The server refuses a request by its rate limit for longer than the suite waits."""


@define(eq=False)
class Pace:
    """Lets requests pass at `rate` per second, 0 for no limit; may be used by many threads.

    A refusal lowers the rate, and each five seconds without one raise it, up to the given rate.
    """

    rate: float = 0.0
    _given: float = field(init=False)
    _changed: float = 0.0
    _next: float = 0.0
    _slower_until: float = 0.0
    _lock: Lock = field(factory=Lock, repr=False)
    _sent: deque[float] = field(factory=lambda: deque(maxlen=500), repr=False)

    @_given.default
    def _rate_at_first(self) -> float:
        return self.rate

    def wait(self) -> None:
        """Wait until the next request may be sent."""
        with self._lock:
            now = time.monotonic()
            self._recover(now)
            mine = max(now, self._next)
            if self.rate > 0:
                self._next = mine + 1 / self.rate
            self._sent.append(mine)
        if mine > now:
            time.sleep(mine - now)

    def _recover(self, now: float) -> None:
        """Raise a rate that a refusal lowered some time ago."""
        if now - self._changed < _FASTER_AFTER or self.rate == self._given:
            return
        self.rate = min(self.rate * _FASTER, self._given or inf)
        self._changed = now

    def slow_down(self, refusal: Exchange, otherwise: float) -> None:
        """Let no request pass for as long as a 429 asks, and fewer of them afterwards.

        Args:
            refusal: the exchange with the 429.
            otherwise: the seconds to wait if it doesn't say.

        Raises:
            RateLimited: it asks for more time than a run can wait.
        """
        asked = wait_of(refusal)
        seconds = otherwise if asked is None else max(asked, 0.0)
        if seconds > _LONGEST_WAIT:
            raise RateLimited(f"the server's rate limit asks to wait for {seconds:.0f} s")
        with self._lock:
            now = time.monotonic()
            if now >= self._slower_until:
                recent = sum(one > now - 1 for one in self._sent)
                self.rate = max(_LOWEST_RATE, _SLOWER * min(self.rate or recent, recent))
            self._changed = now + seconds
            self._slower_until = max(self._slower_until, now + seconds)
            self._next = max(self._next, self._slower_until)


def wait_of(refusal: Exchange) -> float | None:
    """Return how long a refusal asks to wait, in seconds; None if it doesn't say."""
    header = refusal.header("retry-after")
    asked = None if header is None else seconds_until(header)
    return asked if asked is not None else float(suggested_wait(refusal)) or None
