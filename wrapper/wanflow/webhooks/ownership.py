"""Which task belongs to which job, so that a job's URL can't be used for another task."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from wanflow.errors import InvalidRequest
from wanflow.webhooks.errors import CallbackRejected
from wanflow.webhooks.store import DAY, TTLCache

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow.webhooks.events import CallbackPayload

_log = logging.getLogger("wanflow")

_MAX_SIZE = 100_000
# Seconds between two log lines about rejected callbacks of one job.
_LOG_INTERVAL = 60.0


class TaskOwnership:
    """The tasks of `link_task`, and for other jobs what `is_job_of` returns.

    Args:
        is_job_of: whether a job (first) has a task (second); None if that isn't known yet.
    """

    def __init__(self, is_job_of: Callable[[str, str], bool | None] | None) -> None:
        self._is_job_of = is_job_of
        self._tasks: TTLCache[str] = TTLCache(_MAX_SIZE, 8 * DAY)
        self._logged: TTLCache[bool] = TTLCache(_MAX_SIZE, _LOG_INTERVAL)
        self._lock = threading.Lock()

    @property
    def may_block(self) -> bool:
        """Whether `check` may block, because it calls `is_job_of`."""
        return self._is_job_of is not None

    def link(self, job: str, task_id: str, now: float, is_done: Callable[[str, str], bool]) -> None:
        """Record a job's task; it replaces one that `is_done`, called with job and task.

        Raises:
            InvalidRequest: the job has another task, which isn't known to be done.
        """
        with self._lock:
            earlier = self._tasks.get(job, now)
        if earlier and earlier != task_id and not is_done(job, earlier):
            raise InvalidRequest(
                f"the job {job!r} has the task {earlier}, which isn't known to be done: use a new"
                f" name for each task (got {task_id})"
            )
        with self._lock:
            self._tasks.put(job, task_id, now)

    def check(self, payload: CallbackPayload, now: float) -> None:
        """Check that the task belongs to the job.

        Raises:
            CallbackRejected: the task belongs to another job (403), or the job's task isn't known
                yet (503: the sender repeats the callback).
        """
        with self._lock:
            expected = self._tasks.get(payload.job, now)
        owned = self._ask(payload) if expected is None else expected == payload.task_id
        if owned is None:
            raise self._rejected(payload, "the job's task isn't known yet", 503, now)
        if not owned:
            raise self._rejected(payload, "the task doesn't belong to the job", 403, now)

    def _rejected(
        self, payload: CallbackPayload, reason: str, status: int, now: float
    ) -> CallbackRejected:
        with self._lock:
            logged = self._logged.get(payload.job, now) is not None
            if not logged:
                self._logged.put(payload.job, True, now)
        if not logged:
            _log.warning(
                "a callback of the job %r named task %s and was answered with %d: %s",
                payload.job,
                payload.task_id,
                status,
                reason,
            )
        return CallbackRejected(reason, status=status)

    def _ask(self, payload: CallbackPayload) -> bool | None:
        if self._is_job_of is None:
            return None
        try:
            return self._is_job_of(payload.job, payload.task_id)
        except Exception:
            _log.exception("is_job_of failed for task %s", payload.task_id)
            return None
