"""Makes the records of events, and passes them to the log and to the user's `on_event`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from wanflow._core.event_kinds import LEVELS, RETURNED
from wanflow._log import RETURNED as RETURNED_EXTRA
from wanflow._log import log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wanflow._core.effects import EmitEvent, TimePoint
    from wanflow.events import Event

    OnEvent: TypeAlias = Callable[[Event], object] | None


class EventDispatcher:
    """Passes events on. Whatever a consumer raises is logged once, and then ignored."""

    def __init__(self) -> None:
        self._reported = False
        self._classes: Mapping[str, Any] | None = None

    def dispatch(self, effect: EmitEvent, now: Callable[[], TimePoint], on_event: OnEvent) -> None:
        """Make the record of an event, if anyone wants it, and pass it to the log and `on_event`.

        `now` reads the clocks.
        """
        kind = effect.kind
        logged = log.isEnabledFor(LEVELS[kind])
        if on_event is None and not logged:
            return
        event = self._make(effect, now())
        if logged:
            returned = RETURNED_EXTRA if kind in RETURNED else {}
            log.log(LEVELS[kind], "%s", event, extra={"wanflow_event": event, **returned})
        if on_event is not None:
            try:
                on_event(event)
            except Exception as error:
                self._report(error)

    def _make(self, effect: EmitEvent, now: TimePoint) -> Event:
        if self._classes is None:
            # Most programs want no events.
            self._classes = vars(import_module("wanflow.events"))
        make = self._classes[effect.kind]
        if effect.since is None:
            event: Event = make(time=now.wall, **effect.fields)
        else:
            duration = now.monotonic - effect.since
            event = make(time=now.wall, duration=duration, **effect.fields)
        return event

    def _report(self, error: Exception) -> None:
        if not self._reported:
            self._reported = True
            log.error(
                "on_event raised %s; it is called for further events, and its further exceptions "
                "aren't logged",
                type(error).__name__,
                exc_info=error,
            )
