"""The first task of a run is alone until it has ended: some servers say only then what it costs."""

from __future__ import annotations

import time
from threading import local
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from wanflow_contract.plan.shared_budget import SharedBudget

_PAUSE, _LONGEST = 0.02, 900.0


class _Thread(local):
    """What a thread does; end-to-end runs are threads beside the tests."""

    is_here = False
    is_polled = False


@define(eq=False)
class FirstTask:
    """Whose turn it is to submit a task of a model whose price isn't known.

    If a server said of the first one that it has used more than its receipt said, so is the first
    task of each model alone. `is_here` is set in the thread that submits one now; a thread that
    sets `is_polled` polls it until it has ended, and calls `end`.
    """

    shared_budget: SharedBudget
    is_needed: bool = False
    thread: _Thread = field(factory=_Thread, init=False)

    def wait(self, model: str) -> None:
        """Wait while another one submits the first task of a model, or be the one that does."""
        shared, until = self.shared_budget, time.monotonic() + _LONGEST
        while self.is_needed and time.monotonic() < until:
            if self.thread.is_here or shared.is_priced(model) or shared.stopped:
                return
            if shared.claim_first():
                self.thread.is_here = True
            else:
                time.sleep(_PAUSE)

    @property
    def is_unpolled(self) -> bool:
        """Whether this thread submits one, and doesn't poll it."""
        return self.thread.is_here and not self.thread.is_polled

    def end(self, model: str = "", *, trusted: bool = False) -> None:
        """Let others submit; without a model nothing was learned, and one of them is the first.

        Args:
            model: the model of the task.
            trusted: whether no response said that it has used more than its receipt said.
        """
        self.thread.is_here = False
        self.shared_budget.end_first(model, trusted=trusted)
