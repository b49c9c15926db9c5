"""Error codes of failed tasks, and their messages."""

from __future__ import annotations

import re

FAILURE_MESSAGES = {
    "content_policy_violation": "The content of the request breaks the content policy",
    "invalid_parameters": "The request holds parameters that the model can't take",
    "image_processing_error": "An input image could not be fetched or read",
    "image_dimension_mismatch": "An input image has dimensions that the model can't take",
    "generation_failed_no_content": "The model ended without a result",
    "generation_timeout": "The model took too long",
    "service_error": "The service met an error of its own",
    "resource_exhausted": "The service has no capacity left at the moment",
    "quota_exceeded": "The account has used up its quota",
    "service_unavailable": "The service is unavailable",
    "request_cancelled": "The task was cancelled",
    "resource_not_found": "A resource of the task is missing or has expired",
    "unknown_error": "An unknown error occurred",
}
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)


def is_failure_code(text: str) -> bool:
    """Return whether a text has the form of an error code; unknown codes are allowed."""
    return _CODE.fullmatch(text) is not None


def message_of(code: str) -> str:
    """Return the message of an error code."""
    return FAILURE_MESSAGES.get(code, f"The task failed with {code}")
