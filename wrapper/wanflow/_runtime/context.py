"""What the flows of one client share: clocks, bells, and the right to be alone for a moment."""

from __future__ import annotations

import queue
import random
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from wanflow._core.effects import Alone, Draw, Instant, Now
from wanflow._event_loop import new_alarm
from wanflow._fork_safety import renew_in_children
from wanflow._runtime.batch_executor import Company
from wanflow._runtime.notifications import Bells

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from wanflow._core.effects import Effect, Sleep
    from wanflow._core.flow import Script
    from wanflow._event_loop import Alarm

T = TypeVar("T")


class SystemClock:
    """Real time. A test gives the drivers another."""

    def now(self) -> Instant:
        """Read both clocks."""
        return Instant(time.monotonic(), time.time())

    def draw(self) -> float:
        """Draw from [0, 1)."""
        return random.random()  # noqa: S311 - spreads retries, guards nothing

    def sleep(self, seconds: float) -> None:
        """Block for some seconds."""
        time.sleep(seconds)

    def sleep_until(self, event: threading.Event, seconds: float) -> bool:
        """Block for some seconds, or until the event is set → whether it was."""
        return event.wait(seconds)

    def receive(self, news: queue.SimpleQueue[T], seconds: float | None) -> T | None:
        """Block until there is news, for some seconds at most, or None for as long as it takes."""
        try:
            return news.get(timeout=seconds)
        except queue.Empty:
            return None

    def asleep_until(self, alarm: Alarm, seconds: float | None) -> Awaitable[bool]:
        """Wait for some seconds, or until the alarm rings → whether it did."""
        return alarm.wait(seconds)

    def asleep(self, seconds: float) -> Awaitable[bool]:
        """Wait for some seconds → False, since nothing else ends it."""
        return new_alarm().wait(seconds)


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
