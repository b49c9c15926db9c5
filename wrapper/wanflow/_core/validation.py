"""Refuse a request that breaks the documents' rules before it costs anything."""

from __future__ import annotations

import math
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

from wanflow._core.local_files import data_uri_problem, file_values
from wanflow._core.model_lookup import unknown_parameters
from wanflow._text import is_encodable
from wanflow.catalog.violation import Violation, name_of, pointer_to
from wanflow.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from wanflow.catalog.catalog import Model
    from wanflow.catalog.validator import RequestValidator

_MAX_DEPTH = 64
_MAX_SHOWN = 60


def json_violations(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[Violation]:
    """List what of a value JSON has no words for."""
    reason = _json_problem(value, len(path))
    if reason is not None:
        message = f"{name_of(path)} can't be written as JSON: {reason}"
        yield Violation(pointer_to(path), "type", message, repr(value))
        return
    entries: Iterable[tuple[str | int, Any]] = ()
    match value:
        case dict():
            entries = cast("dict[str, Any]", value).items()
        case list() | tuple():
            entries = enumerate(cast("Sequence[Any]", value))
        case _:
            pass
    for part, entry in entries:
        yield from json_violations(entry, (*path, part))


def _json_problem(value: Any, depth: int) -> str | None:
    match value:
        case str():
            return None if is_encodable(value) else "it has half of a surrogate pair"
        case float():
            return None if math.isfinite(value) else "it is no finite number"
        case None | bool() | int():
            return None
        case list() | tuple() | dict():
            return "it is nested too deeply" if depth >= _MAX_DEPTH else _name_problem(value)
        case _ if hasattr(value, "read"):
            return "it is an open file; pass its path, or the bytes that it has"
        case _:
            return f"it is of type {type(value).__name__}"


def _name_problem(value: Any) -> str | None:
    names: list[Any] = list(cast("Mapping[Any, Any]", value)) if isinstance(value, dict) else []
    invalid = [name for name in names if not (isinstance(name, str) and is_encodable(name))]
    return f"it has the name {invalid[0]!r}" if invalid else None


UPLOADER_HINT = "; a local file needs a client made with uploader=…"
"""What ends the sentence on a path where a link is wanted."""


def validate_request(rules: RequestValidator, model: Model, body: Mapping[str, Any]) -> None:
    """Check a body against every rule of its model.

    Raises:
        InvalidRequest: it lists everything that is wrong, and nothing was sent.
    """
    unknown = unknown_parameters(rules.catalog, model, body)
    # What JSON can't say, a schema can't judge.
    not_json = list(_paths_instead_of_lists(model, body)) or list(json_violations(body))
    broken = not_json or [*rules.violations(model, body), *_data_uris(rules, model, body)]
    raise_violations(model.name, unknown + broken)


def _paths_instead_of_lists(model: Model, body: Mapping[str, Any]) -> Iterator[Violation]:
    for name, rule in model.parameters.items():
        path = body.get(name)
        if isinstance(path, PurePath | bytes) and rule.get("type") == "array":
            one = f"Path({str(path)!r})" if isinstance(path, PurePath) else "content"
            message = f"{name} must be a list, of one file too: {name}=[{one}]"
            yield Violation(f"/{name}", "type", message, repr(path)[:_MAX_SHOWN])


def _data_uris(
    rules: RequestValidator, model: Model, body: Mapping[str, Any]
) -> Iterator[Violation]:
    for pointer, value, _ in file_values(rules.catalog.document, model, body):
        problem = data_uri_problem(value)
        if problem:
            yield Violation(
                pointer_to(pointer), "scheme", f"{name_of(pointer)} {problem}", value[:_MAX_SHOWN]
            )


def raise_violations(model: str, found: list[Violation]) -> None:
    """Raise one error for all violations, if there are any.

    Raises:
        InvalidRequest: there are.
    """
    if not found:
        return
    lines = [_line(violation) for violation in found if not _is_redundant(violation, found)]
    if len(lines) == 1:
        text = f"{model}: {lines[0]}"
    else:
        rules = "\n".join(f"  - {line}" for line in lines)
        text = f"{model}: {len(lines)} rules are broken:\n{rules}"
    raise InvalidRequest(text, violations=tuple(found))


def _is_redundant(violation: Violation, found: list[Violation]) -> bool:
    """Return whether an enum violation at the same pointer is listed: it implies the type."""
    return violation.rule == "type" and any(
        other.pointer == violation.pointer and other.rule == "enum" for other in found
    )


def _line(violation: Violation) -> str:
    citation = f' (the documents: "{violation.citation}")' if violation.citation else ""
    return violation.message + citation + (UPLOADER_HINT if _is_path(violation) else "")


def _is_path(violation: Violation) -> bool:
    value = violation.value
    return violation.rule == "format" and isinstance(value, str) and "://" not in value
