"""What to do about each business code that a failed task can carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from wanflow import errors

if TYPE_CHECKING:
    from wanflow._core.snapshot import Snapshot


@frozen
class FailureHint:
    """What helps, and whether a new (newly charged) submission of the same request may."""

    text: str
    retryable: bool


_CHANGE = FailureHint("change the request; the same one fails again", retryable=False)
_RESUBMIT = FailureHint("a new submission may succeed", retryable=True)

# Source: the provider's table of error codes for failed tasks.
HINTS: dict[str, FailureHint] = {
    "content_policy_violation": _CHANGE,
    "invalid_parameters": _CHANGE,
    "image_processing_error": _CHANGE,
    "image_dimension_mismatch": _CHANGE,
    "generation_failed_no_content": _RESUBMIT,
    "generation_timeout": _RESUBMIT,
    "service_error": FailureHint("submit again after 30 to 60 seconds", retryable=True),
    "resource_exhausted": FailureHint("submit again after 1 to 5 minutes", retryable=True),
    "quota_exceeded": FailureHint(
        "leave 1 to 2 seconds between submissions, wait for running tasks, or top up",
        retryable=True,
    ),
    "service_unavailable": FailureHint("submit again after some minutes", retryable=True),
    "request_cancelled": FailureHint(
        "the task was cancelled; submit again if wanted", retryable=False
    ),
    "resource_not_found": FailureHint("the id is wrong, or the task expired", retryable=False),
    "unknown_error": FailureHint(
        "submit again once, then ask the provider's support", retryable=True
    ),
}


def task_failed(snapshot: Snapshot) -> errors.TaskFailed:
    """Make the error for a task that ended without a result."""
    failure = snapshot.failure
    code = failure.code if failure else "unknown_error"
    message = failure.message if failure else snapshot.status
    hint = HINTS.get(code, HINTS["unknown_error"])
    return errors.TaskFailed(
        f"task {snapshot.id} failed with {code}: {message}; {hint.text}",
        code=code,
        hint=hint.text,
        retryable=hint.retryable,
        snapshot=snapshot,
        task_id=snapshot.id,
    )
