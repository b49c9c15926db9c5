"""Values that are invalid by the schema, but that a lenient server would turn into valid ones."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.catalog.document import JsonObject

_FALSE = {"an-empty-text": "", "a-zero": 0, "an-empty-list": [], "an-empty-object": {}}
_RATIO = re.compile(r"([1-9][0-9]*):([1-9][0-9]*)")


def coerced(rule: JsonObject, valid: list[Any]) -> Iterator[tuple[str, Any]]:
    """Yield other forms of some valid values of a parameter, each with a name.

    Args:
        rule: the schema of the parameter.
        valid: valid values of it.
    """
    for name, value in _FALSE.items():
        yield f"{name}-for-nothing", value
    if valid:
        yield "in-a-list", [valid[0]]
        yield "in-an-object", {"value": valid[0]}
        yield from _forms(rule, valid)


def _forms(rule: JsonObject, valid: list[Any]) -> Iterator[tuple[str, Any]]:
    match rule.get("type"):
        case "integer":
            yield from (form for value in valid[:2] for form in _numbers(value))
        case "boolean":
            yield from ((f"the-word-{word}", word) for word in ("yes", "no", "on", "0"))
        case "string" if "enum" in rule:
            yield from (
                form for value in dict.fromkeys((valid[0], valid[-1])) for form in _texts(value)
            )
        case "array":
            yield from _lists(valid[0])
        case "object":
            yield from (("as-a-text", json.dumps(valid[0])), ("as-pairs", [*valid[0].items()]))
        case _:
            return


def _numbers(value: int) -> Iterator[tuple[str, Any]]:
    yield f"{value}-as-a-text", str(value)
    yield f"{value}-with-a-unit", f"{value}s"
    yield f"{value}-and-a-half", value + 0.5
    yield from ((f"{value}-beyond-{bits}-bits", value + 2**bits) for bits in (8, 16))


def _texts(value: str) -> Iterator[tuple[str, Any]]:
    yield from ((f"{value!r}-line-break", f"{value}\n"), (f"{value!r}-tab", f"\t{value}"))
    number = re.sub(r"[^0-9]", "", value)
    if number and ":" not in value:
        yield from ((f"{value}-as-a-number", int(number)), (f"{value}-without-unit", number))
    ratio = _RATIO.fullmatch(value)
    if ratio is not None:
        wide, high = int(ratio[1]), int(ratio[2])
        yield f"{value}-not-reduced", f"{2 * wide}:{2 * high}"
        yield from ((f"{value}-with-{sign}", f"{wide}{sign}{high}") for sign in "x/")
        yield f"{value}-as-a-number", wide / high


def _lists(value: list[Any]) -> Iterator[tuple[str, Any]]:
    yield "as-an-object", {str(number): one for number, one in enumerate(value)}
    yield "within-a-list", [value]
    yield "joined", ",".join(map(str, value))
    yield "entries-as-objects", [{"url": one} for one in value]
    empty: dict[str, Any] = {"null": None, "text": "", "list": []}
    for name, more in empty.items():
        yield f"with-an-empty-{name}", [*value, more]
