"""The client's poll rate, as flows: wait for a poll slot, and slow down after a 429."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from wanflow._core.effects import read_clock, sleep, with_lock
from wanflow._core.event_kinds import emit, kinds
from wanflow._core.rate_limiter import LONGEST_PAUSE, Turn

if TYPE_CHECKING:
    from wanflow._core.effects import Flow
    from wanflow._core.rate_limiter import PollRateLimiter


def slow_down(
    limiter: PollRateLimiter, retry_after: float | None, operation: str, task_id: str | None
) -> Flow[None]:
    """Lower the poll rate after a 429 to an operation."""
    now = (yield from read_clock()).monotonic
    yield from with_lock(partial(limiter.on_rate_limited, now, retry_after))
    yield from emit(
        kinds.RateLimitReached, operation=operation, task_id=task_id, retry_after=retry_after
    )
    yield from warn_of_long_pause(limiter, retry_after, operation, task_id)


def warn_of_long_pause(
    limiter: PollRateLimiter, retry_after: float | None, operation: str, task_id: str | None
) -> Flow[None]:
    """Emit once that the API asks for a longer pause than it gets."""
    if retry_after is not None and (
        yield from with_lock(partial(limiter.should_warn, retry_after))
    ):
        yield from emit(
            kinds.PauseShortened,
            operation=operation,
            task_id=task_id,
            requested=retry_after,
            granted=LONGEST_PAUSE,
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
