"""How long to wait between the tries of a submission, and when to give up.

Which tries may follow which is not decided here: `acceptance` says what a response proves.
"""

from __future__ import annotations

INITIAL_RETRY_DELAY = 0.5
MAX_RETRY_DELAY = 8.0
UNREACHABLE_WINDOW = 10.0


def backoff(attempt: int, jitter: float) -> float:
    """Return the seconds before try number `attempt` + 1 where the server names none.

    Half of the pause is fixed and half drawn (`chance` in [0, 1)), so that many clients that
    failed together don't come back together.
    """
    ceiling = min(MAX_RETRY_DELAY, INITIAL_RETRY_DELAY * 2.0 ** min(attempt, 10))
    return ceiling / 2 + ceiling / 2 * jitter


def retry_window(retry_timeout: float, *, reached: bool) -> float:
    """Return the seconds within which to try again: few where no answer ever came.

    A busy server asks for time; an address where nobody answers is most often a wrong one.
    """
    return retry_timeout if reached else min(retry_timeout, UNREACHABLE_WINDOW)


def fits_window(pause: float, *, elapsed: float, window: float) -> bool:
    """Return whether a pause ends inside the retry window, all in seconds."""
    return elapsed + pause <= window
