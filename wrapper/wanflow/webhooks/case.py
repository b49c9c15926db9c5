"""One question about one claim, and what came of it, in no colour."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Self

from wanflow import errors
from wanflow.webhooks.desk import Again, Hopeless, Outcome, Settled
from wanflow.webhooks.end import End

if TYPE_CHECKING:
    from types import TracebackType

    from wanflow._core.snapshot import Snapshot
    from wanflow.webhooks.claim import Claim
    from wanflow.webhooks.memory import Store

_log = logging.getLogger("wanflow")

# What these say of the id, the key or the account won't change within a minute.
_FINAL = (
    errors.BadRequest,
    errors.AuthenticationFailed,
    errors.InsufficientCredits,
    errors.PermissionDenied,
    errors.NotFound,
)


class Case:
    """Enter it, ask, `see` the answer, and handle `end` where `take` says that it is to be.

    What is raised inside becomes the `outcome`, but for what stops a thread or a task.
    """

    def __init__(self, claim: Claim, store: Store) -> None:
        self.outcome: Outcome = Again()
        self.end: End | None = None
        self._claim = claim
        self._store = store
        self._ours = False

    def see(self, snapshot: Snapshot | None) -> None:
        """Take the API's answer about the claim's task."""
        if snapshot is not None and snapshot.ended:
            self.end = End(self._claim.job, self._claim.kind, snapshot)

    def take(self) -> End | None:
        """Return the end, once in all its life; this may block."""
        if self.end is None:
            return None
        self._ours = self._store.take(self._claim.key)
        self.outcome = Settled()
        return self.end if self._ours else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is None:
            return False
        if self._ours:
            self._store.give_back(self._claim.key)
        if not isinstance(error, Exception):
            return False
        self.outcome = self._after(error)
        return True

    def _after(self, error: Exception) -> Outcome:
        task_id = self._claim.task_id
        if self.end is not None or not isinstance(error, errors.WanflowError):
            _log.error("the end of task %s could not be handled", task_id, exc_info=error)
            return Again()
        _log.warning("a callback told of task %s, and the API doesn't: %s", task_id, error)
        if isinstance(error, _FINAL):
            return Hopeless()
        asked = error.retry_after if isinstance(error, errors.APIError) else None
        return Again(asked or 0.0)
