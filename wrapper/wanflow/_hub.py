"""What the flows of one client share: clocks, bells, and the right to be alone for a moment."""

from __future__ import annotations

import threading
from typing import Any

from wanflow._bells import Bells
from wanflow._clock import SystemClock
from wanflow._company import Company
from wanflow._core.effects import Alone, Draw, Now
from wanflow._forks import renew_in_children

AT_ONCE = (Now, Draw, Alone)
"""What `Hub.at_once` does; a driver does the rest."""


class Hub:
    """Shared by a client and by all that `with_options` makes of it."""

    def __init__(self, clock: SystemClock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.bells = Bells()
        self.renew()
        renew_in_children(self)

    def renew(self) -> None:
        """Begin with nobody waiting, and with no lock held."""
        self.bells.renew()
        self.company = Company()
        self._alone = threading.Lock()

    def at_once(self, effect: Now | Draw | Alone) -> Any:
        """Do what neither blocks nor waits."""
        match effect:
            case Now():
                return self.clock.now()
            case Draw():
                return self.clock.draw()
            case Alone(function):
                with self._alone:
                    return function()
