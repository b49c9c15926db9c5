"""Checks of idempotency keys; all are notes, because no document mentions these keys."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

ONCE = Check(
    "idempotent",
    "The same idempotency key makes one task, and the response is marked as a replay.",
    note=True,
    why="A client that retries with the key pays twice, or can't see that it didn't.",
    correct="It ignores keys, or answers a repetition with the first task, marked as a replay.",
)
ANOTHER = Check(
    "other-key",
    "Another idempotency key, or none, makes another task.",
    note=True,
    why="A second request is lost.",
    correct="It makes a task for each key.",
)
PER_ACCOUNT = Check(
    "key-apart",
    "An idempotency key belongs to one account.",
    note=True,
    why="An account gets the task of another that chose the same key.",
    correct="It keeps the keys of each account apart.",
)
REUSED = Check(
    "key-reused",
    "A key that was used with another request doesn't return that request's task.",
    note=True,
    why="A second, different request is lost without notice.",
    correct="It refuses the key for another body, or makes a new task.",
)
