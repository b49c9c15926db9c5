"""The mock's prices. The spec has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wanflow.mock.gateway.outputs import OutputSpec

_IMAGE = 2.0
_SECOND = 1.0
_AUDIO, _TEXT = 0.1, 0.1
_STANDARD = 1280 * 720


def credits_of(output: OutputSpec) -> float:
    """Return the credits for an output.

    2 for each image, 1 for each second of video at 1280x720 pixels; other frame sizes in
    proportion to their pixels, to two decimals. 0.1 for a second of audio, 0.1 for a text.
    """
    match output.kind:
        case "audio":
            return round(_AUDIO * output.seconds, 2)
        case "text":
            return round(_TEXT * output.count, 2)
        case kind:
            units = _SECOND * output.seconds if kind == "video" else _IMAGE
            return round(units * output.width * output.height / _STANDARD * output.count, 2)


def billing_rules(kind: str) -> tuple[str, ...]:
    """Return possible billing rules for a kind of task, the preferred one first."""
    return ("per_second", "per_call") if kind in {"video", "audio"} else ("per_call",)


def nominal_seconds(output: OutputSpec) -> int:
    """Return the estimated seconds for an output, if the progression has no duration."""
    return 30 + 12 * output.seconds if output.kind == "video" else 10 + 5 * output.count
