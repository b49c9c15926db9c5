"""What a full run would cost, and what this one will leave out, before the first request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import asdict, field, frozen

from wanflow.cli.text import counted
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.plan.order import Stage, cheapest_model, left_out
from wanflow_contract.plan.prices import documented, documented_prices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wanflow_contract.plan.order import Step

_MOST_NAMED = 6


@frozen
class Forecast:
    """The cost of a run by the documented prices.

    `free` is the number of tests that cost a correct server nothing, or use a task that is there;
    `paying` that of the others; `planned` of these are within the limit. `left_out` is the number
    of others by test function.
    """

    limit: float
    free: int
    paying: int
    tasks: int
    credits: float
    planned: int
    planned_credits: float
    left_out: dict[str, int] = field(factory=dict[str, int])

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return what is printed before a run."""
        tasks = counted(self.tasks, "task")
        full = f"a full run would submit about {tasks} for {self.credits:,.0f} credits"
        within = f"about {self.planned} of {counted(self.paying, 'other')}"
        free = counted(self.free, "test")
        found = [
            f"contract: {full}, by the documents' prices; this one may spend {self.limit:g}",
            f"contract: free on a correct server: {free}; within the limit: {within}",
        ]
        if self.left_out:
            most = sorted(self.left_out.items(), key=lambda one: -one[1])
            named = ", ".join(f"{name} ({number})" for name, number in most[:_MOST_NAMED])
            more = len(most) - _MOST_NAMED
            rest = f", and tests of {counted(more, 'other function')}" if more > 0 else ""
            found.append(f"contract: by these prices it leaves out {named}{rest}")
        return found


def forecast_of(steps: Sequence[Step], limit: float) -> Forecast:
    """Return the forecast of a run that sends tests in this order."""
    planned, rest = left_out(steps, limit, limit // documented_prices()[0])
    paying = [step for step in steps if step.tasks]
    own = int(_submits_its_own(steps))
    return Forecast(
        limit=limit,
        free=len(steps) - len(paying),
        paying=len(paying),
        tasks=sum(step.tasks for step in paying) + own,
        credits=sum(step.credits for step in paying) + own * documented(cheapest(cheapest_model())),
        planned=sum(1 for step in planned if step.tasks),
        planned_credits=sum(step.credits for step in planned if step.tasks),
        left_out=dict(rest),
    )


def _submits_its_own(steps: Sequence[Step]) -> bool:
    """Return whether a task is submitted for tests that use one: no test before them has any."""
    using = any(step.stage is Stage.SHARED and not step.tasks for step in steps)
    return using and not any(step.tasks and step.stage < Stage.SHARED for step in steps)
