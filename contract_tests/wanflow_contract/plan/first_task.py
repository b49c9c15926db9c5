"""The first task of a run is alone until it has ended: some servers say only then what it costs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from attrs import define

if TYPE_CHECKING:
    from wanflow_contract.plan.shared_budget import SharedBudget

_PAUSE, _LONGEST = 0.02, 900.0


@define(eq=False)
class FirstTask:
    """Whose turn it is to submit a task of a model whose price isn't known.

    If a server said of the first one that it has used more than its receipt said, so is the first
    task of each model alone. `is_here` is set where one is submitted now; who sets `is_polled`
    polls it until it has ended, and calls `end`.
    """

    shared_budget: SharedBudget
    is_needed: bool = False
    is_here: bool = False
    is_polled: bool = False

    def wait(self, model: str) -> None:
        """Wait while another process submits the first task of a model, or be the one that does."""
        shared, until = self.shared_budget, time.monotonic() + _LONGEST
        while self.is_needed and time.monotonic() < until:
            if self.is_here or shared.is_priced(model) or shared.stopped:
                return
            self.is_here = shared.claim_first()
            if not self.is_here:
                time.sleep(_PAUSE)

    def end(self, model: str = "", *, trusted: bool = False) -> None:
        """Let others submit; without a model nothing was learned, and one of them is the first.

        Args:
            model: the model of the task.
            trusted: whether no response said that it has used more than its receipt said.
        """
        self.is_here = False
        self.shared_budget.end_first(model, trusted=trusted)
