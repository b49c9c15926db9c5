"""Changes that need not be written at once: those of one job become one write."""

from __future__ import annotations

import logging
from threading import Lock, Timer
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wanflow.ledger.job import JobState
    from wanflow.ledger.refs import JobRef

_log = logging.getLogger("wanflow")
_FLUSH_DELAY = 0.5
"""Seconds after which what is noted is written, if nothing else is before."""


@frozen
class Update:
    """A change of a job, where the job is in one of some states (None: in any)."""

    changes: Mapping[str, Any]
    only: frozenset[JobState] | None = None


Updates: TypeAlias = "tuple[Update, ...]"


def coalesced(steps: Updates) -> Update | None:
    """Return the one change that is the same as all of them; None where none surely is.

    Where a job isn't as the returned one wants it, the steps are yet to be taken one by one.
    """
    changes, only = dict(steps[0].changes), steps[0].only
    for step in steps[1:]:
        state = changes.get("state")
        if step.only is not None:
            if state is None:
                only = step.only if only is None else only & step.only
            elif state not in step.only:
                return None
        changes.update(step.changes)
    return Update(changes, only)


@define(eq=False)
class WriteBuffer:
    """What is noted of each job; `flush` is called where nothing else writes it in time."""

    flush: Callable[[], None]
    _updates: dict[JobRef, Updates] = field(factory=dict["JobRef", "Updates"], repr=False)
    _lock: Lock = field(factory=Lock, repr=False)
    _timer: Timer | None = field(default=None, repr=False)
    _closed: bool = field(default=False, repr=False)
    _failed: bool = field(default=False, repr=False)

    def add(self, which: JobRef, step: Update) -> None:
        """Note a change."""
        with self._lock:
            before = self._updates.get(which, ())
            self._updates[which] = _append(before, step)
            self._start_timer()

    def pop(self, which: JobRef) -> Updates:
        """Return what is noted of one job, which is the caller's to write now."""
        with self._lock:
            return self._updates.pop(which, ())

    def put_back(self, which: JobRef, steps: Updates) -> None:
        """Note again what was taken and could not be written."""
        with self._lock:
            later = self._updates.get(which, ())
            self._updates[which] = (*steps, *later)
            self._start_timer()

    def pop_all(self) -> dict[JobRef, Updates]:
        """Return all that is noted, which is the caller's to write now."""
        with self._lock:
            taken, self._updates = self._updates, {}
        return taken

    def close(self) -> None:
        """Write what is noted, and nothing by itself any more."""
        with self._lock:
            self._closed = True
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            timer.join()
        self.flush()

    def _start_timer(self) -> None:
        if self._timer is None and not self._closed:
            timer = Timer(_FLUSH_DELAY, self._flush_from_timer)
            timer.daemon = True
            timer.start()
            self._timer = timer

    def _flush_from_timer(self) -> None:
        self._timer = None
        failed, self._failed = self._failed, False
        try:
            self.flush()
        except Exception as error:  # nobody waits for this thread
            self._failed = True
            if not failed:
                _log.warning("the ledger can't be written, which is tried again: %s", error)


def _append(before: Updates, step: Update) -> Updates:
    """Add a step; looks one after another become one, however many they are."""
    if before and before[-1].only == step.only and _leaves_state_allowed(before[-1]):
        return (*before[:-1], Update({**before[-1].changes, **step.changes}, step.only))
    return (*before, step)


def _leaves_state_allowed(step: Update) -> bool:
    """Tell whether a job that a step changed is still in one of the states that it wants."""
    state = step.changes.get("state")
    return state is None or step.only is None or state in step.only
