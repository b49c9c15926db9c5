"""What to do about each business code that a failed task can carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from wanflow import errors

if TYPE_CHECKING:
    from wanflow._core.snapshot import Snapshot


@frozen
class Advice:
    """What helps, and whether a new (newly charged) submission of the same request may."""

    text: str
    resubmit: bool


_CHANGE = Advice("change the request; the same one fails again", resubmit=False)
_AGAIN = Advice("a new submission may succeed", resubmit=True)

# Source: the provider's table of error codes for failed tasks.
ADVICE: dict[str, Advice] = {
    "content_policy_violation": _CHANGE,
    "invalid_parameters": _CHANGE,
    "image_processing_error": _CHANGE,
    "image_dimension_mismatch": _CHANGE,
    "generation_failed_no_content": _AGAIN,
    "generation_timeout": _AGAIN,
    "service_error": Advice("submit again after 30 to 60 seconds", resubmit=True),
    "resource_exhausted": Advice("submit again after 1 to 5 minutes", resubmit=True),
    "quota_exceeded": Advice(
        "leave 1 to 2 seconds between submissions, wait for running tasks, or top up",
        resubmit=True,
    ),
    "service_unavailable": Advice("submit again after some minutes", resubmit=True),
    "request_cancelled": Advice("the task was cancelled; submit again if wanted", resubmit=False),
    "resource_not_found": Advice("the id is wrong, or the task expired", resubmit=False),
    "unknown_error": Advice("submit again once, then ask the provider's support", resubmit=True),
}


def task_failed(snapshot: Snapshot) -> errors.TaskFailed:
    """Make the error for a task that ended without a result."""
    failure = snapshot.failure
    code = failure.code if failure else "unknown_error"
    message = failure.message if failure else snapshot.status
    advice = ADVICE.get(code, ADVICE["unknown_error"])
    return errors.TaskFailed(
        f"task {snapshot.id} failed with {code}: {message}; {advice.text}",
        code=code,
        advice=advice.text,
        resubmit=advice.resubmit,
        snapshot=snapshot,
        task_id=snapshot.id,
    )
