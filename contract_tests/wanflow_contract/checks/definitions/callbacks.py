"""Checks of callbacks."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

DELIVERED = Check(
    "callback",
    "The end of a task is reported to its callback URL, unchanged.",
    "Triggered when task is completed, failed, or cancelled",
)
ENDS_ONLY = Check(
    "callback-end",
    "A callback is sent when the task has ended, not before.",
    "Triggered when task is completed, failed, or cancelled",
)
SAME_AS_QUERY = Check(
    "callback-body",
    "A callback has the same body as the task query.",
    "Callback response format is consistent with the task query API response",
)
ONCE = Check(
    "callback-once",
    "A callback that was accepted is not sent again.",
    "2xx status codes are considered successful, other status codes trigger retries",
)
BILLED = Check(
    "callback-billed",
    "A callback is sent after its task has been billed.",
    "Sent after billing confirmation is completed",
)
RETRIED = Check(
    "callback-retried",
    "A callback that failed is retried, up to three times.",
    "Up to `3` retries after failure (retries at `1`/`2`/`4` seconds after failure)",
)
