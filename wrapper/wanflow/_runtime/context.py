"""What the flows of one client share: clocks, bells, and the right to be alone for a moment."""

from __future__ import annotations

import queue
import random
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from wanflow._core.effects import RandomFloat, ReadClock, TimePoint, WithLock
from wanflow._event_loop import new_waker
from wanflow._fork_safety import renew_in_children
from wanflow._runtime.batch_executor import BatchExecutor
from wanflow._runtime.notifications import Notifier

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from wanflow._core.effects import Effect, Sleep
    from wanflow._core.flow import FlowRun
    from wanflow._event_loop import Waker

T = TypeVar("T")


class SystemClock:
    """Real time. A test gives the drivers another."""

    def now(self) -> TimePoint:
        """Read both clocks."""
        return TimePoint(time.monotonic(), time.time())

    def draw(self) -> float:
        """Draw from [0, 1)."""
        return random.random()  # noqa: S311 - spreads retries, guards nothing

    def sleep(self, seconds: float) -> None:
        """Block for some seconds."""
        time.sleep(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Block for some seconds, or until the event is set → whether it was."""
        return event.wait(seconds)

    def receive(self, news: queue.SimpleQueue[T], seconds: float | None) -> T | None:
        """Block until there is news, for some seconds at most, or None for as long as it takes."""
        try:
            return news.get(timeout=seconds)
        except queue.Empty:
            return None

    def wait_async(self, alarm: Waker, seconds: float | None) -> Awaitable[bool]:
        """Wait for some seconds, or until the alarm rings → whether it did."""
        return alarm.wait(seconds)

    def sleep_async(self, seconds: float) -> Awaitable[bool]:
        """Wait for some seconds → False, since nothing else ends it."""
        return new_waker().wait(seconds)


class SharedState:
    """Shared by a client and by all that `with_options` makes of it."""

    def __init__(self, clock: SystemClock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._at_once: dict[type, Callable[[Any], Any]] = {
            ReadClock: lambda _: self.clock.now(),
            RandomFloat: lambda _: self.clock.draw(),
            WithLock: self._in_turn,
        }
        self.bells = Notifier()
        self.renew()
        renew_in_children(self)

    def renew(self) -> None:
        """Begin with nobody waiting, and with no lock held."""
        self.bells.renew()
        self.company = BatchExecutor()
        self._alone = threading.Lock()

    def sleeper(self, sleep: Sleep, call: Callable[[], object]) -> AbstractContextManager[bool]:
        """Return a block in which whatever ends a sleep early calls this.

        Entered, it says whether that came before.
        """
        if sleep.topic is None:
            assert sleep.waker is not None, "nothing ends this sleep early"
            return sleep.waker.on_wake(call)
        return self.bells.waiter(sleep.topic, lambda _: call())

    def onward(self, script: FlowRun[Any]) -> Effect | None:
        """Play what neither blocks nor waits → the effect that does; None at an end or Emit."""
        while (act := self._at_once.get(type(script.effect))) is not None:
            try:
                outcome = act(script.effect)
            except BaseException as error:
                script.throw(error)
            else:
                script.send(outcome)
        return script.effect if script.pending else None

    def _in_turn(self, effect: WithLock) -> Any:
        with self._alone:
            return effect.function()
