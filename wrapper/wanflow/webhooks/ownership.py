"""Which task is which job's: what makes the URL of one job worthless for another's task."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from wanflow.webhooks.errors import CallbackRejected
from wanflow.webhooks.store import DAY, TTLCache

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow.webhooks.events import CallbackPayload

_log = logging.getLogger("wanflow")

_SIZE = 100_000


class TaskOwnership:
    """What this process was told with `link_task`, and what `belongs` knows beyond it.

    Args:
        belongs: says whether a task (second) is a job's (first), None where that isn't known yet.
    """

    def __init__(self, is_job_of: Callable[[str, str], bool | None] | None) -> None:
        self._belongs = is_job_of
        self._expected: TTLCache[str] = TTLCache(_SIZE, 8 * DAY)
        self._lock = threading.Lock()

    @property
    def may_block(self) -> bool:
        """Whether somebody outside is asked, which may block."""
        return self._belongs is not None

    def link(self, job: str, task_id: str, now: float) -> None:
        """Remember that a task is a job's; a later one takes its place."""
        with self._lock:
            self._expected.put(job, task_id, now)

    def check(self, claim: CallbackPayload, now: float) -> None:
        """Let a claim about a job's own task pass.

        Raises:
            Refused: the task is another's (403), or nobody knows yet (503: it comes again).
        """
        with self._lock:
            expected = self._expected.get(claim.job, now)
        ours = self._ask(claim) if expected is None else expected == claim.task_id
        if ours is None:
            raise CallbackRejected("the job's task isn't known yet", status=503)
        if not ours:
            raise CallbackRejected("the task isn't the job's", status=403)

    def _ask(self, claim: CallbackPayload) -> bool | None:
        if self._belongs is None:
            return None
        try:
            return self._belongs(claim.job, claim.task_id)
        except Exception:
            _log.exception("whose task %s is could not be found out", claim.task_id)
            return None
