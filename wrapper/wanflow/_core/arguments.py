"""What users hand in beside requests, checked: task ids, idempotency keys and times."""

from __future__ import annotations

import re
import uuid
from typing import TypeVar

from wanflow.errors import ConfigurationError, InvalidRequest

T = TypeVar("T")

_ID = re.compile(r"[A-Za-z0-9._~:-]{1,256}", re.ASCII)
_DOCUMENTED_ID = re.compile(r"task-unified-[A-Za-z0-9_-]{1,240}", re.ASCII)
# As the newer client of the same family sends them; a header could carry little else.
_KEY = re.compile(r"[A-Za-z0-9._-]{16,96}", re.ASCII)
_MAX_SHOWN = 60


def validate_task_id(task_id: object) -> str:
    """Return a task id.

    Raises:
        InvalidRequest: it can't be one.
    """
    if not isinstance(task_id, str) or not _ID.fullmatch(task_id) or not task_id.strip("."):
        shown = repr(task_id)[:_MAX_SHOWN]
        raise InvalidRequest(f"a task id is a word such as task-unified-… (got {shown})")
    return task_id


def validate_documented_id(task_id: object) -> str:
    """Return a task id of the form that the spec documents.

    Raises:
        InvalidRequest: it has another form.
    """
    if not isinstance(task_id, str) or not _DOCUMENTED_ID.fullmatch(task_id):
        shown = repr(task_id)[:_MAX_SHOWN]
        raise InvalidRequest(f"a task id begins with task-unified- (got {shown})")
    return task_id


def new_idempotency_key() -> str:
    """Make an idempotency key."""
    return uuid.uuid4().hex


def validate_idempotency_key(key: object) -> str:
    """Return an idempotency key.

    Raises:
        InvalidRequest: it can't be one.
    """
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        shown = repr(key)[:_MAX_SHOWN]
        raise InvalidRequest(
            f"idempotency_key must have 16 to 96 characters of A-Z a-z 0-9 . _ - (got {shown})"
        )
    return key


def validate_ledger(recorder: T) -> T:
    """Return what keeps the record of a client's work.

    Raises:
        ConfigurationError: it is nothing of the kind, such as the path of one.
    """
    if recorder is not None and not hasattr(recorder, "record_intent"):
        shown = repr(recorder)[:_MAX_SHOWN]
        raise ConfigurationError(f"ledger is a wanflow.Ledger, as Ledger('jobs.db') (got {shown})")
    return recorder


def validate_max_credits(max_credits: object) -> float | None:
    """Return a limit in credits, None for no limit.

    Raises:
        ConfigurationError: it is not a number of 0 or more.
    """
    if max_credits is None:
        return None
    if (
        isinstance(max_credits, bool)
        or not isinstance(max_credits, int | float)
        or not max_credits >= 0
    ):
        raise ConfigurationError(f"max_credits must be 0 or more credits (got {max_credits!r})")
    return max_credits


def validate_timeout(timeout: object) -> float:
    """Return a time to wait, in seconds.

    Raises:
        ConfigurationError: it is no number, negative or without an end.
    """
    if not isinstance(timeout, int | float) or not 0 <= timeout < float("inf"):
        raise ConfigurationError(f"timeout must be 0 or more seconds, and finite (got {timeout!r})")
    return timeout
