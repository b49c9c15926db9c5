"""What of a request JSON has no words for, named by its place in the request."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from wanflow.spec.document import is_array, is_object
from wanflow.spec.violation import Violation, name_of, pointer_to

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEEPEST = 64


def unwritable(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[Violation]:
    """List what of a value JSON has no words for."""
    reason = _why_not(value, len(path))
    if reason is not None:
        message = f"{name_of(path)} can't be written as JSON: {reason}"
        yield Violation(pointer_to(path), "type", message, repr(value))
        return
    for part, entry in _entries(value):
        yield from unwritable(entry, (*path, part))


def _why_not(value: Any, depth: int) -> str | None:
    match value:
        case str():
            return None if _encodes(value) else "it has half of a surrogate pair"
        case float():
            return None if math.isfinite(value) else "it is no finite number"
        case None | bool() | int():
            return None
        case list() | tuple() | dict():
            return "it is nested too deeply" if depth >= _DEEPEST else _why_no_names(value)
        case _:
            return f"it is of type {type(value).__name__}"


def _why_no_names(value: Any) -> str | None:
    names: list[Any] = list(value) if is_object(value) else []
    strange = [name for name in names if not (isinstance(name, str) and _encodes(name))]
    return f"it has the name {strange[0]!r}" if strange else None


def _entries(value: Any) -> Iterator[tuple[str | int, Any]]:
    if is_object(value):
        yield from value.items()
        return
    listed = is_array(value) or isinstance(value, tuple)
    yield from enumerate(cast("list[Any]", value) if listed else ())


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
