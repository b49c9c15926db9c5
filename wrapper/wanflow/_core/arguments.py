"""What users hand in beside requests, checked: task ids and times."""

from __future__ import annotations

import re

from wanflow.errors import ConfigurationError, InvalidRequest

_ID = re.compile(r"[A-Za-z0-9._~:-]{1,256}", re.ASCII)
_SHOWN = 60


def checked_id(task_id: object) -> str:
    """Return a task id.

    Raises:
        InvalidRequest: it can't be one.
    """
    if not isinstance(task_id, str) or not _ID.fullmatch(task_id) or not task_id.strip("."):
        shown = repr(task_id)[:_SHOWN]
        raise InvalidRequest(f"a task id is a word such as task-unified-… (got {shown})")
    return task_id


def checked_seconds(timeout: float) -> float:
    """Return a time to wait, in seconds.

    Raises:
        ConfigurationError: it is negative or has no end.
    """
    if not 0 <= timeout < float("inf"):
        raise ConfigurationError(f"timeout must be 0 or more seconds, and finite (got {timeout})")
    return timeout
