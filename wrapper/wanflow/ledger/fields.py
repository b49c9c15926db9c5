"""The fields of a job that a snapshot, a request or a reason sets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from wanflow._core.snapshot import credits_of
from wanflow.ledger.job import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wanflow._core.snapshot import Snapshot

_MAX_REASON_LENGTH = 500
NO_UPLOADS: dict[str, Any] = {"uploads": {}}
"""Forgets the links that a submission was sent with, which only its repetition needs."""


def snapshot_fields(snapshot: Snapshot) -> dict[str, Any]:
    """Return the fields that a snapshot sets; the others stay unchanged."""
    credits = credits_of(snapshot.usage)  # noqa: A001 - the API's word
    fields = {
        "status": snapshot.status or None,
        "progress": snapshot.progress,
        "created": snapshot.created,
        "model": snapshot.model,
        "credits": credits,
        # The credits of a failed task may be refunded; the price of the next attempt is the same.
        "price": None if snapshot.failure is not None else credits or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def task_fields(snapshot: Snapshot) -> dict[str, Any]:
    """Return the fields of a task that a response named: its status is empty if that had none.

    Only of a task that a user named, the status is unknown (None).
    """
    return {"status": "", **snapshot_fields(snapshot)}


def accepted_fields(snapshot: Snapshot, reason: str | None) -> dict[str, Any]:
    """Return the fields of an accepted job; `reason` if the task may not be its own."""
    return {
        "state": JobState.ACCEPTED,
        "task_id": snapshot.id,
        "accepted": time.time(),
        "reason": None if reason is None else truncated(reason),
        **NO_UPLOADS,
        **({"sends": 1} if is_replay(snapshot) else {}),
        **task_fields(snapshot),
    }


def is_replay(snapshot: Snapshot) -> bool:
    """Return whether the server says that an earlier submission with the same key was accepted."""
    return snapshot.headers.get("idempotency-replayed", "").strip().lower() == "true"


def absolute(folder: Path | None) -> Path | None:
    """Return the absolute path of a directory."""
    return None if folder is None else folder.absolute()


def truncated(reason: str) -> str:
    """Cut a reason to the length that is stored."""
    return reason[:_MAX_REASON_LENGTH]


def without_prompts(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request without its prompts, at any depth."""
    kept = {name: value for name, value in body.items() if not _is_prompt(name, value)}
    return {
        name: without_prompts(value) if isinstance(value, dict) else value  # pyright: ignore[reportUnknownArgumentType]
        for name, value in kept.items()
    }


def _is_prompt(name: str, value: object) -> bool:
    return isinstance(value, str) and "prompt" in name.lower()
