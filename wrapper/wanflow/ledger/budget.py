"""Budgets: what their submissions cost together, checked in the transaction that records one."""

from __future__ import annotations

from contextlib import closing
from math import fsum
from typing import TYPE_CHECKING

from attrs import frozen

from wanflow.errors import CreditLimitExceeded
from wanflow.ledger.job import JobState
from wanflow.ledger.refs import prefix_range

if TYPE_CHECKING:
    from wanflow._core.recorder import Budget
    from wanflow.ledger.connection import Connection

_ROUNDING = 1e-9
_DONE = frozenset({JobState.COMPLETED, JobState.SAVED, JobState.FAILED})
_FREE = (str(JobState.PLANNED), str(JobState.REJECTED))
"""States in which nothing can have been charged."""
_COSTS = """
    SELECT job.id, job.state, job.sends, job.credits, (
        SELECT max(other.price) FROM job AS other
        WHERE other.server = job.server AND other.model = job.model
            AND other.price_class = job.price_class AND other.price IS NOT NULL
    )
    FROM job WHERE job.server = (SELECT id FROM place WHERE text = ?)
        AND job.name >= ? AND job.name < ? AND job.state NOT IN (?, ?)
"""


@frozen
class BudgetState:
    """The credits of a budget that are spent or may be, and its jobs of unknown price.

    `committed` has each job with the credits that the API reported; without them, with the highest
    price that its settings ever had, and else with the price that the budget assumes. What may have
    been accepted several times counts as often.
    """

    committed: float
    unknown: tuple[int, ...]


def read_budget(connection: Connection, server: str, budget: Budget) -> BudgetState:
    """Return what the submissions of a budget cost, or may have cost."""
    names = prefix_range(budget.prefix)
    with closing(connection.execute(_COSTS, [server, *names, *_FREE])) as cursor:
        jobs = cursor.fetchall()
    found = [(job[0], job[2], _price(JobState(job[1]), *job[3:])) for job in jobs]
    assumed = budget.unknown_price or 0.0
    return BudgetState(
        fsum(sends * (assumed if price is None else price) for _, sends, price in found),
        tuple(number for number, _, price in found if price is None),
    )


@frozen
class BudgetCheck:
    """Checks a budget, after a submission of it was written and before the commit."""

    server: str
    budget: Budget

    @property
    def lock(self) -> str:
        """The budget's server and name."""
        return f"budget {self.server} {self.budget.prefix}"

    def __call__(self, connection: Connection, /) -> None:
        """Check that the budget allows the submission.

        Raises:
            CreditLimitExceeded: it doesn't.
        """
        problem = _problem(self.budget, read_budget(connection, self.server, self.budget))
        if problem is not None:
            raise CreditLimitExceeded(
                f"not sent, because {problem}", max_credits=self.budget.max_credits
            )


def _price(state: JobState, reported: float | None, highest: float | None) -> float | None:
    # Until a task is done, 0 credits mean that its price isn't known.
    known = reported if state in _DONE else reported or None
    return highest if known is None else known


def _problem(budget: Budget, state: BudgetState) -> str | None:
    if state.unknown and budget.unknown_price is None:
        return (
            "its price, or that of an earlier job, is unknown: no job with these settings is in "
            "the ledger; submit one without this limit first, or allow jobs of unknown price"
        )
    if len(state.unknown) > 1:
        return (
            f"its price is unknown, and so is that of job {state.unknown[0]}: only one job of "
            "unknown price is sent at a time"
        )
    if state.committed > budget.max_credits + _ROUNDING:
        return (
            f"all jobs of this budget together may then cost {state.committed:g} credits, and "
            f"its limit is {budget.max_credits:g}"
        )
    return None
