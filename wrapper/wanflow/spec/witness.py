"""Find values for a schema: bodies that show a person what a proof found."""

from __future__ import annotations

from itertools import islice, product
from typing import TYPE_CHECKING, Any

from wanflow.spec.document import is_object

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST = 400
_BRANCH_MOST = 40
_DEEPEST = 12
_BRANCHES = ("anyOf", "oneOf", "allOf")
_TEXTS = (
    "",
    "a",
    "https://example.com/a",
    "5",
    "1280x1280",
    "2024-01-01",
    "2024-01-01T00:00:00Z",
    "a@example.com",
    "A-1",
)


def witness(schema: Any, hint: Any = None) -> list[Any]:
    """List values that may be valid for a schema, plain ones first; whoever asks checks them.

    `hint` is a schema whose own values are tried as well, where the first says too little.
    """
    found = list(islice(_values(schema, 0), _MOST))
    return found if hint is None else [*found, *islice(_values(hint, 0), _MOST)]


def _values(schema: Any, depth: int) -> Iterator[Any]:
    if depth > _DEEPEST or schema is False:
        return
    if schema is True or schema == {}:
        yield from ("a", 1, True, None, [], {})
    elif "const" in schema:
        yield schema["const"]
    elif "enum" in schema:
        yield from schema["enum"]
    elif branching := next((word for word in _BRANCHES if word in schema), None):
        for branch in schema[branching]:
            yield from islice(_values(_with(schema, branch, branching), depth + 1), _BRANCH_MOST)
    else:
        for kind in _kinds(schema):
            yield from _of_kind(kind, schema, depth)


def _with(schema: Any, branch: Any, word: str) -> Any:
    """Join a branch with what is said beside it, the branch first."""
    if not is_object(branch):
        return branch
    rest = {key: value for key, value in schema.items() if key != word}
    joined = {**rest, **branch}
    if "properties" in rest and "properties" in branch:
        joined["properties"] = {**rest["properties"], **branch["properties"]}
    if "required" in rest and "required" in branch:
        joined["required"] = list(dict.fromkeys([*rest["required"], *branch["required"]]))
    return joined


def _kinds(schema: Any) -> list[str]:
    named = schema.get("type")
    if named is None:
        named = "object" if "properties" in schema or "required" in schema else list(_PLAIN)
    return [named] if isinstance(named, str) else [str(kind) for kind in named]


_PLAIN = ("string", "integer", "number", "boolean", "null", "array", "object")


def _of_kind(kind: str, schema: Any, depth: int) -> Iterator[Any]:
    match kind:
        case "string":
            yield from _strings(schema)
        case "integer" | "number":
            yield from _numbers(schema)
        case "boolean":
            yield from (True, False)
        case "null":
            yield None
        case "array":
            yield from _arrays(schema, depth)
        case _:
            yield from _objects(schema, depth)


def _strings(schema: Any) -> Iterator[str]:
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    pads = ("a", " ", "https://example.com/")
    for length in {low, low + 1, low + 2, 30 if high is None else min(high, 100_000)}:
        for pad in pads:
            yield (pad + "a" * length)[:length]
    yield from (text for text in _TEXTS if len(text) >= low)


def _numbers(schema: Any) -> Iterator[float]:
    step = schema.get("multipleOf", 1)
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    for bound in (low, high):
        if bound is not None:
            yield from (bound, bound + step, bound - step)
    if low is None and high is None:
        yield from (0, step, -step, 2 * step, 7, 1000)
    if schema.get("type") == "number":
        yield from ((low or 0) + 0.5, (high or 0) - 0.5)


def _arrays(schema: Any, depth: int) -> Iterator[list[Any]]:
    items = list(islice(_values(schema.get("items", True), depth + 1), 6)) or [None]
    low, high = schema.get("minItems", 0), schema.get("maxItems")
    lengths = {low, low + 1} if high is None else {low, min(high, low + 1), min(high, 100)}
    for length in sorted(lengths):
        for item in items:
            yield [item] * length
        yield [items[i % len(items)] for i in range(length)]


def _objects(schema: Any, depth: int) -> Iterator[dict[str, Any]]:
    properties: dict[str, Any] = schema.get("properties", {})
    required = list(schema.get("required", ()))
    choices = {
        name: list(islice(_values(properties.get(name, True), depth + 1), 12))
        for name in dict.fromkeys([*required, *properties])
    }
    if any(not choices[name] for name in required):
        return
    plain = {name: choices[name][0] for name in required}
    yield plain
    yield {**plain, "unheard_of": 1}
    for name, values in choices.items():
        for value in values:
            yield {**plain, name: value}
    pairs = [name for name in choices if name not in required and choices[name]]
    for one, other in product(pairs, pairs):
        if one < other:
            for first, second in islice(product(choices[one], choices[other]), 16):
                yield {**plain, one: first, other: second}
