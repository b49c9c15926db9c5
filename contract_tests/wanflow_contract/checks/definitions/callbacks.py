"""Checks of callbacks."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

_TRIGGER = "Triggered when task is completed, failed, or cancelled"

DELIVERED = Check(
    "callback",
    "The end of a task is reported to its callback URL, unchanged.",
    _TRIGGER,
    why="A client that waits for the callback never learns of the end.",
    correct="It posts to the URL as given, with its query.",
)
ENDS_ONLY = Check(
    "callback-end",
    "A callback is sent when the task has ended, not before.",
    _TRIGGER,
    why="A client takes a running task for a completed one.",
    correct="A query after the callback finds the task ended.",
)
SAME_AS_QUERY = Check(
    "callback-body",
    "A callback has the same body as the task query.",
    "Callback response format is consistent with the task query API response",
    why="A client that reads both with the same code fails.",
    correct="The body is what the task query answers.",
)
ONCE = Check(
    "callback-once",
    "A callback that was accepted is not sent again.",
    "2xx status codes are considered successful, other status codes trigger retries",
    why="A client handles the same end twice.",
    correct="After a 2xx it sends no more.",
)
BILLED = Check(
    "callback-billed",
    "A callback is sent after its task has been billed.",
    "Sent after billing confirmation is completed",
    why="A client that reads its balance at the callback reads the old one.",
    correct="It settles the charge first, and calls back then.",
)
RETRIED = Check(
    "callback-retried",
    "A callback that failed is retried, up to three times.",
    "Up to `3` retries after failure (retries at `1`/`2`/`4` seconds after failure)",
    why="A client that was restarted never learns of the end, or is called for ever.",
    correct="It sends the callback again after 1, 2 and 4 seconds.",
)
