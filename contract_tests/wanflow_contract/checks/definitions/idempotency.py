"""Checks of idempotency keys, which no document mentions."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

ONCE = Check(
    "idempotent", "The same idempotency key makes one task, and the response is marked as a replay."
)
ANOTHER = Check("other-key", "Another idempotency key, or none, makes another task.")
PER_ACCOUNT = Check("key-apart", "An idempotency key belongs to one account.")
REUSED = Check(
    "key-reused", "A key that was used with another request doesn't return that request's task."
)
