"""Buffer changes that need not be written immediately: those of one job become one write."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.ledger.job import JobState
    from wanflow.ledger.refs import JobRef


@frozen
class Update:
    """A change of a job, allowed in some states (None: in any)."""

    changes: Mapping[str, Any]
    only: frozenset[JobState] | None = None


Updates: TypeAlias = "tuple[Update, ...]"


def coalesced(steps: Updates) -> Update | None:
    """Return one update equal to all of them; None if there isn't surely one.

    If the job's state doesn't allow the returned update, apply the updates one by one.
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
    """The buffered updates of each job."""

    _updates: dict[JobRef, Updates] = field(factory=dict["JobRef", "Updates"], repr=False)
    _lock: Lock = field(factory=Lock, repr=False)

    def __bool__(self) -> bool:
        """Return whether there are any updates."""
        return bool(self._updates)

    def add(self, which: JobRef, step: Update) -> None:
        """Buffer a change."""
        with self._lock:
            self._updates[which] = _append(self._updates.get(which, ()), step)

    def pop(self, which: JobRef) -> Updates:
        """Remove and return the updates of one job, for the caller to write."""
        with self._lock:
            return self._updates.pop(which, ())

    def put_back(self, which: JobRef, steps: Updates) -> None:
        """Put updates back that could not be written."""
        with self._lock:
            self._updates[which] = (*steps, *self._updates.get(which, ()))

    def pop_all(self) -> dict[JobRef, Updates]:
        """Remove and return all updates, for the caller to write."""
        with self._lock:
            taken, self._updates = self._updates, {}
        return taken


def _append(before: Updates, step: Update) -> Updates:
    """Append an update; consecutive polls become one."""
    if before and before[-1].only == step.only and _leaves_state_allowed(before[-1]):
        return (*before[:-1], Update({**before[-1].changes, **step.changes}, step.only))
    return (*before, step)


def _leaves_state_allowed(step: Update) -> bool:
    """Return whether a job that an update changed is still in a state that the update allows."""
    state = step.changes.get("state")
    return state is None or step.only is None or state in step.only
