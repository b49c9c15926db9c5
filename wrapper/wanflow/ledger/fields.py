"""What the ledger writes of what it is told: a look, a request, a reason."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from wanflow.ledger.job import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wanflow._core.snapshot import Snapshot

_MAX_CREDITS = 1e12


def credits_of(usage: Mapping[str, Any]) -> float | None:
    """Return the credits that were used, else those that were set aside; None where untold."""
    cost = usage.get("cost")
    within = cast("Mapping[str, Any]", cost).get("credits") if isinstance(cost, dict) else None
    told = (usage.get("credits_used"), within, usage.get("credits_reserved"))
    return next((amount for amount in map(_amount, told) if amount is not None), None)


def _amount(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < _MAX_CREDITS else None


_MAX_REASON_LENGTH = 500


def snapshot_fields(snapshot: Snapshot) -> dict[str, Any]:
    """Return what a look tells; what it doesn't tell stays as it was."""
    credits = credits_of(snapshot.usage)  # noqa: A001 - the API's word
    told = {
        "status": snapshot.status or None,
        "progress": snapshot.progress,
        "created": snapshot.created,
        "model": snapshot.model,
        "credits": credits,
        # What failed may be given back, and the price of the next one is the same.
        "price": None if snapshot.failure is not None else credits or None,
    }
    return {name: value for name, value in told.items() if value is not None}


def accepted_fields(snapshot: Snapshot, reason: str | None) -> dict[str, Any]:
    """Return what the task of a submission tells; `reason` where it isn't certain that it is."""
    return {
        "state": JobState.ACCEPTED,
        "task_id": snapshot.id,
        "accepted": time.time(),
        "reason": None if reason is None else truncated(reason),
        **snapshot_fields(snapshot),
    }


def absolute(folder: Path | None) -> Path | None:
    """Return where a folder is, whatever folder the process is in."""
    return None if folder is None else folder.absolute()


def truncated(reason: str) -> str:
    """Return as much of a reason as is kept."""
    return reason[:_MAX_REASON_LENGTH]


def without_prompts(body: Mapping[str, Any]) -> dict[str, Any]:
    """Leave the prompts out of a request, wherever they are in it."""
    kept = {name: value for name, value in body.items() if not _is_prompt(name, value)}
    return {
        name: without_prompts(value) if isinstance(value, dict) else value  # pyright: ignore[reportUnknownArgumentType]
        for name, value in kept.items()
    }


def _is_prompt(name: str, value: object) -> bool:
    return isinstance(value, str) and "prompt" in name.lower()
