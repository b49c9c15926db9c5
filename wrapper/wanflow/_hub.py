"""What the flows of one client share: clocks, bells, and the right to be alone for a moment."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from wanflow._bells import Bells
from wanflow._clock import SystemClock
from wanflow._company import Company
from wanflow._core.effects import Alone, Draw, Now
from wanflow._forks import renew_in_children

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from wanflow._core.effects import Effect, Sleep
    from wanflow._core.script import Script


class Hub:
    """Shared by a client and by all that `with_options` makes of it."""

    def __init__(self, clock: SystemClock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._at_once: dict[type, Callable[[Any], Any]] = {
            Now: lambda _: self.clock.now(),
            Draw: lambda _: self.clock.draw(),
            Alone: self._in_turn,
        }
        self.bells = Bells()
        self.renew()
        renew_in_children(self)

    def renew(self) -> None:
        """Begin with nobody waiting, and with no lock held."""
        self.bells.renew()
        self.company = Company()
        self._alone = threading.Lock()

    def sleeper(self, sleep: Sleep, call: Callable[[], object]) -> AbstractContextManager[bool]:
        """Return a block in which whatever ends a sleep early calls this.

        Entered, it says whether that came before.
        """
        if sleep.topic is None:
            assert sleep.waker is not None, "nothing ends this sleep early"
            return sleep.waker.sleeper(call)
        return self.bells.sleeper(sleep.topic, lambda _: call())

    def onward(self, script: Script[Any]) -> Effect | None:
        """Play what neither blocks nor waits → the effect that does; None at an end or Emit."""
        while (act := self._at_once.get(type(script.effect))) is not None:
            try:
                outcome = act(script.effect)
            except BaseException as error:
                script.fail(error)
            else:
                script.go_on(outcome)
        return script.effect if script.playing else None

    def _in_turn(self, effect: Alone) -> Any:
        with self._alone:
            return effect.function()
