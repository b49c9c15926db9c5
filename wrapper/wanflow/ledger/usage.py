"""What a task costs, out of the several shapes in which the API says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

_LARGEST = 1e12


def credits_of(usage: Mapping[str, Any]) -> float | None:
    """Return the credits that were used, else those that were set aside; None where untold."""
    cost = usage.get("cost")
    within = cast("Mapping[str, Any]", cost).get("credits") if isinstance(cost, dict) else None
    told = (usage.get("credits_used"), within, usage.get("credits_reserved"))
    return next((amount for amount in map(_amount, told) if amount is not None), None)


def _amount(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < _LARGEST else None
