"""What kind of value was received where a failure is: null, a number, a text, a task, an error."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from wanflow.catalog.document import escape_key
from wanflow_contract.checks.documented_responses import packaged_contract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.catalog.document import JsonObject
    from wanflow_contract.checks.check import CheckFailed
    from wanflow_contract.support.exchange import Exchange

_ABSENT = object()


def kind_received(failure: CheckFailed) -> str:
    """Return the kind of value that the last response has where the failure is.

    For a failure that is not about a field, it is the kind of the response; empty without one.
    """
    if not failure.exchanges:
        return ""
    last = failure.exchanges[-1]
    where, _, path = failure.pointer.partition(" /")
    if where == "response" and last.decoded() is not None:
        names = path.split("/") if path else []
        return " or ".join(sorted({_kind(one) for one in _values(last.decoded(), names)}))
    return "" if where.startswith("response ") else _kind_of_response(last)


def _values(node: Any, names: list[str]) -> Iterator[Any]:
    """Yield the values at a pointer; `-` stands for each entry of a list."""
    if not names:
        yield node
    elif isinstance(node, list) and names[0] == "-":
        for one in node:
            yield from _values(one, names[1:])
    else:
        fields = (
            {escape_key(name): one for name, one in node.items()} if isinstance(node, dict) else {}
        )
        yield from _values(fields.get(names[0], _ABSENT), names[1:])


def _kind(value: Any) -> str:
    """Return the kind of a value in a few words."""
    match value:
        case None | bool():
            return "null" if value is None else "a boolean"
        case str():
            return _kind_of_text(value)
        case int() | float():
            return _kind_of_number(value)
        case list():
            return "a list" if value else "an empty list"
        case dict():
            return "an object" if value else "an empty object"
        case _:
            return "absent"


def _kind_of_text(text: str) -> str:
    if not text.strip():
        return "an empty text"
    return "a documented word" if text in documented_words() else "a text"


def _kind_of_number(number: float) -> str:
    if number < 0:
        return "a negative number"
    return "a whole number" if number == number // 1 else "a fraction"


def _kind_of_response(exchange: Exchange) -> str:
    """Return whether a response is a task, an error or something else."""
    if exchange.method == "HEAD":
        return ""
    if not exchange.content.strip():
        return "nothing"
    body = exchange.decoded()
    if exchange.shows_task:
        return "a task"
    if isinstance(body, dict):
        return "an error" if "error" in body else "an object"
    return "no JSON" if body is None else "no object"


@cache
def documented_words() -> frozenset[str]:
    """Return the property names and listed values of the documents."""
    return frozenset(_words(packaged_contract().catalog.document))


def _words(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        yield from _words_of_schema(node)
        for inner in node.values():
            yield from _words(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _words(inner)


def _words_of_schema(node: JsonObject) -> Iterator[str]:
    properties, choices = node.get("properties"), node.get("enum")
    if isinstance(properties, dict):
        yield from properties
    if isinstance(choices, list):
        yield from (one for one in choices if isinstance(one, str))
    if isinstance(node.get("const"), str):
        yield node["const"]
