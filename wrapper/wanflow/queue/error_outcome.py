"""What an error of a step means for its job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow import errors
from wanflow._core.download_rules import RETRYABLE_STATUSES
from wanflow._core.submission_response import is_rejection, is_retryable
from wanflow.ledger.job import JobState
from wanflow.queue.submission_outcome import NotAccepted, Uncertain

if TYPE_CHECKING:
    from wanflow.queue.recorder import StepRecorder
    from wanflow.queue.submission_outcome import SubmissionOutcome
    from wanflow.queue.work import Work

_HALTING = (errors.AuthenticationFailed, errors.InsufficientCredits, errors.WrongBaseURL)
_SHORTEST_DELAY = 1.0
_RESEND_DELAY = 2.0
LAG = 60.0
"""For so many seconds after its submission a task may be unknown to the server that is asked."""


def outcome_of(error: Exception, recorder: StepRecorder, jitter: float) -> SubmissionOutcome:
    """Return what is recorded of a submission that was intended, and has no task."""
    work, token, reason = recorder.work, recorder.token, str(error) or type(error).__name__
    if recorder.uncertain is not None or isinstance(error, errors.SubmitUncertain):
        left = work.intended + recorder.window - work.clock.now()
        first = work.state is JobState.PLANNED
        again = work.resubmit and (first or left > _RESEND_DELAY)
        reason = recorder.uncertain or reason
        return Uncertain(work.id, work.key, token, reason, _RESEND_DELAY if again else None)
    if work.state is JobState.UNCERTAIN:
        # A rejection of a resend proves nothing about the first submission.
        return Uncertain(work.id, work.key, token, f"it was sent again, and that failed: {reason}")
    if isinstance(error, _HALTING):
        return NotAccepted(work.id, work.key, token, reason, halted=reason)
    if is_rejection(error) and not is_retryable(error):
        return NotAccepted(work.id, work.key, token, reason)
    if isinstance(error, errors.InvalidRequest | errors.UploadFailed):
        return NotAccepted(work.id, work.key, token, reason)
    asked = error.retry_after if isinstance(error, errors.APIError) else None
    delay = max(asked or 0.0, _SHORTEST_DELAY * (1 + 2 * jitter))
    return NotAccepted(work.id, work.key, token, reason, delay)


def wrong_task(error: Exception, work: Work) -> str | None:
    """Return why a job is parked whose user gave it a task that the API doesn't have.

    None if a poll may find it yet: a task may be unknown for some time after its submission.
    """
    unknown = isinstance(error, errors.NotFound | errors.BadRequest | errors.PermissionDenied)
    if not work.given or not unknown or work.clock.now() < work.intended + LAG:
        return None
    return (
        f"the API has no task {work.task}, which this job was given: give it another one with "
        f"wanflow queue resolve {work.id} --task ID, or end it with wanflow queue discard {work.id}"
    )


def may_pass(error: Exception) -> bool:
    """Return whether a step failed by what it needs, such as a storage, and not by its job."""
    match error:
        case errors.DownloadFailed(status=status):
            return status is None or status in RETRYABLE_STATUSES
        case _:
            return isinstance(error, errors.APIError | errors.ConnectionFailed)
