"""The requests of the demo, made from the spec, with different parameters for each model."""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.catalog.keywords import PIXEL_SIZE
from wanflow.catalog.validator import packaged_validator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wanflow.catalog.catalog import Model

_RATIOS = ((16, 9), (9, 16), (4, 3), (1, 1))
_GRID = 16


@frozen
class DemoRequest:
    """A request, and the parameters that were chosen for it."""

    model: str
    body: dict[str, Any]
    asked: dict[str, Any]


def demo_requests(models: Iterable[Model]) -> list[DemoRequest]:
    """Make a request for each model; those of one kind have different parameters."""
    turns: dict[str, int] = {}
    requests: list[DemoRequest] = []
    for model in models:
        turn = turns[model.kind] = turns.get(model.kind, -1) + 1
        requests.append(_request(model, turn))
    return requests


def _request(model: Model, turn: int) -> DemoRequest:
    chosen = {name: _choose(schema, turn) for name, schema in model.parameters.items()}
    asked = {name: value for name, value in chosen.items() if value is not None}
    for name in _invalid_parameters(model, _body(model, asked)):
        asked.pop(name, None)
        example = model.parameters.get(name, {}).get("example")
        if example is not None:
            asked[name] = example
    return DemoRequest(model.name, _body(model, asked), asked)


def _body(model: Model, asked: dict[str, Any]) -> dict[str, Any]:
    """Add the model's example and examples of required parameters."""
    needed = {name: model.parameters[name].get("example") for name in model.required}
    return {**needed, **model.example, "model": model.name, **asked}


def _invalid_parameters(model: Model, body: dict[str, Any]) -> list[str]:
    return [violation.parameter for violation in packaged_validator().violations(model, body)]


def _choose(schema: dict[str, Any], turn: int) -> Any:
    """Choose a value that a schema allows; None if it doesn't list values."""
    if "enum" in schema:
        return schema["enum"][turn % len(schema["enum"])]
    if PIXEL_SIZE in schema:
        return _pixels(schema[PIXEL_SIZE], turn)
    if schema.get("type") == "integer" and {"minimum", "maximum"} <= schema.keys():
        low, high = schema["minimum"], schema["maximum"]
        return low + turn % min(2, high - low + 1)
    return None


def _pixels(bounds: dict[str, float], turn: int) -> str:
    """Choose a size in the middle of its bounds, its sides multiples of 16 pixels."""
    across, down = _RATIOS[turn % len(_RATIOS)]
    pixels = isqrt(int(bounds["minimumPixels"] * bounds["maximumPixels"]))
    unit = isqrt(pixels // (across * down)) // _GRID * _GRID
    return f"{across * unit}x{down * unit}"
