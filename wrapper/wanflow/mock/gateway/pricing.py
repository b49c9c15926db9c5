"""What the mock charges. The prices are its own: the documents publish none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wanflow.mock.gateway.outputs import OutputSpec

_PICTURE = 2.0
_SECOND = 1.0
_SOUND, _TEXT = 0.1, 0.1
_STANDARD = 1280 * 720


def credits_of(order: OutputSpec) -> float:
    """Return the credits of an order.

    2 for each picture, 1 for each second of video at 1280x720 pixels; other frame sizes in
    proportion to their pixels, to two decimals. 0.1 for a second of sound, 0.1 for a text.
    """
    match order.kind:
        case "audio":
            return round(_SOUND * order.seconds, 2)
        case "text":
            return round(_TEXT * order.count, 2)
        case kind:
            units = _SECOND * order.seconds if kind == "video" else _PICTURE
            return round(units * order.width * order.height / _STANDARD * order.count, 2)


def billing_rules(kind: str) -> tuple[str, ...]:
    """Return the names that the price of a kind of task could have, the most fitting first."""
    return ("per_second", "per_call") if kind in {"video", "audio"} else ("per_call",)


def nominal_seconds(order: OutputSpec) -> int:
    """Return how long the order would take where the mock's pace has no time of its own."""
    return 30 + 12 * order.seconds if order.kind == "video" else 10 + 5 * order.count
