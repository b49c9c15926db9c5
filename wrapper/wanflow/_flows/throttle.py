"""The client's poll rate, as flows: wait for a poll slot, and slow down after a 429."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from wanflow._core.effects import read_clock, sleep, with_lock
from wanflow._core.rate_limiter import LONGEST_PAUSE, Turn
from wanflow._log import log

if TYPE_CHECKING:
    from wanflow._core.effects import Flow
    from wanflow._core.rate_limiter import PollRateLimiter


def slow_down(limiter: PollRateLimiter, retry_after: float | None) -> Flow[None]:
    """Lower the poll rate after a 429."""
    now = (yield from read_clock()).monotonic
    yield from with_lock(partial(limiter.on_rate_limited, now, retry_after))
    yield from warn_of_long_pause(limiter, retry_after)


def warn_of_long_pause(limiter: PollRateLimiter, retry_after: float | None) -> Flow[None]:
    """Log once that the API asks for a longer pause than it gets."""
    if (yield from with_lock(partial(limiter.should_warn, retry_after))):
        log.warning(
            "the API asks for a pause of %g s (Retry-After); polling goes on after %g s, which is "
            "the longest pause that is kept",
            retry_after,
            LONGEST_PAUSE,
        )


def acquire_slot(limiter: PollRateLimiter, deadline: float) -> Flow[float]:
    """Wait for a poll slot, at most until the deadline → the time in monotonic seconds."""
    now = (yield from read_clock()).monotonic
    turn = Turn(now)
    try:
        while now < deadline:
            delay = yield from with_lock(partial(limiter.try_acquire, turn, now))
            if delay is None:
                break
            yield from sleep(min(delay, deadline - now), waker=turn)
            now = (yield from read_clock()).monotonic
    finally:
        limiter.cancel(turn)
    return now
