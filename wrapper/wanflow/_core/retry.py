"""When a submission may be sent again: only where it provably was not accepted.

Each generation is charged when it is submitted, so a POST whose answer was lost is repeated only
for those who ask for it.
"""

from __future__ import annotations

# 429 and 503 refuse a request before it is accepted. 500, 502 and 504 may follow one that was.
REFUSED = frozenset({429, 503})

# 408 and 409 may answer a request whose twin is still at work.
_UNCLEAR = frozenset({408, 409})

_FIRST = 0.5
_CEILING = 8.0
_UNREACHED = 10.0


def doubtful(status: int) -> bool:
    """Tell whether a task may exist all the same after an answer of this status, not a 2xx."""
    return (status >= 500 and status not in REFUSED) or status in _UNCLEAR  # noqa: PLR2004


def backoff(attempt: int, chance: float) -> float:
    """Return the seconds before try number `attempt` + 1 where the server names none.

    Half of the pause is fixed and half drawn (`chance` in [0, 1)), so that many clients that
    failed together don't come back together.
    """
    ceiling = min(_CEILING, _FIRST * 2.0 ** min(attempt, 10))
    return ceiling / 2 + ceiling / 2 * chance


def patience(retry_for: float, *, reached: bool) -> float:
    """Return the seconds within which to try again: few where no answer ever came.

    A busy server asks for time; an address where nobody answers is most often a wrong one.
    """
    return retry_for if reached else min(retry_for, _UNREACHED)


def fits(pause: float, *, elapsed: float, budget: float) -> bool:
    """Tell whether a pause ends inside the budget, all in seconds."""
    return elapsed + pause <= budget
