"""How a batch is done, and how it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from attrs import field, frozen
from attrs.validators import ge, gt, optional

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wanflow.batch.item import Outcome
    from wanflow.batch.line import Fault, Line

DEFAULT_IN_FLIGHT = 256
DEFAULT_SUBMISSIONS = 16
DEFAULT_SAVES = 16


@frozen
class Tally:
    """How a batch stands: jobs by what is being done with them, credits, and the latest trouble."""

    total: int
    saved: int = 0
    failed: int = 0
    uncertain: int = 0
    waiting: int = 0
    submitting: int = 0
    running: int = 0
    saving: int = 0
    credits: float = 0.0
    troubles: tuple[str, ...] = ()

    @property
    def done(self) -> int:
        """How many jobs are at an end."""
        return self.saved + self.failed + self.uncertain


class Stop:
    """Asks a batch to begin nothing more; any thread may, and a signal handler."""

    def __init__(self) -> None:
        # An event has a lock, which would be waited for in the handler of a signal.
        self._asked = False

    def ask(self) -> None:
        """Ask for it."""
        self._asked = True

    @property
    def asked(self) -> bool:
        """Whether it was asked for."""
        return self._asked


if TYPE_CHECKING:
    OnTally: TypeAlias = Callable[[Tally], object] | None
    OnOutcome: TypeAlias = Callable[[Outcome], object] | None
    Given: TypeAlias = Line | Fault


@frozen
class Terms:
    """How a batch is done.

    Files go to `folder`. `max_credits` is a ceiling for all runs of the batch together, None for
    no end. A failed task is submitted again up to `retries` times where its code says that it can
    help; a submission in doubt only where `resubmit_uncertain`. `in_flight` jobs are under way at
    once, `submissions` of them being sent and `saves` being saved. `timeout` is in seconds for
    each wait.
    """

    folder: Path
    timeout: float
    max_credits: float | None = field(default=None, validator=optional(ge(0)))
    retries: int = field(default=0, validator=ge(0))
    resubmit_uncertain: bool = False
    in_flight: int = field(default=DEFAULT_IN_FLIGHT, validator=gt(0))
    submissions: int = field(default=DEFAULT_SUBMISSIONS, validator=gt(0))
    saves: int = field(default=DEFAULT_SAVES, validator=gt(0))
    stop: Stop = field(factory=Stop)
    on_tally: OnTally = field(default=None, repr=False)
    on_outcome: OnOutcome = field(default=None, repr=False)
