"""Which failed tasks are submitted again, and after how long."""

from __future__ import annotations

from wanflow._core.failure import ADVICE

# Seconds, by the provider's table of error codes; the middle where it gives a range.
_PAUSES = {
    "service_error": 45.0,
    "resource_exhausted": 150.0,
    "quota_exceeded": 2.0,
    "service_unavailable": 180.0,
}
_ONCE = frozenset({"unknown_error"})


def pause_before_again(code: str | None, attempt: int, retries: int) -> float | None:
    """Return the seconds to wait before a failed task is submitted again; None: it is not.

    Args:
        code: the business code that it failed with.
        attempt: the submission that failed, from 1.
        retries: how many more submissions a job may have than the first.
    """
    advice = ADVICE.get(code or "", ADVICE["unknown_error"])
    allowed = min(retries, 1) if code in _ONCE or code not in ADVICE else retries
    if not advice.resubmit or attempt > allowed:
        return None
    return _PAUSES.get(code or "", 0.0)


def retries_for(code: str | None, attempts: int) -> int:
    """Return how many retries would have a failed task submitted again; 0 where none would."""
    helps = code is not None and pause_before_again(code, attempts, attempts) is not None
    return attempts if helps else 0
