"""Refuse a request that breaks the documents' rules before it costs anything."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from wanflow._core.discriminate import stray_parameters
from wanflow._core.writable import unwritable
from wanflow.errors import InvalidRequest
from wanflow.spec.violation import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wanflow.spec.catalog import Model
    from wanflow.spec.rules import Rules

UPLOADER = "; a local file needs a client made with uploader=…"
"""What ends the sentence on a path where a link is wanted."""


def check_request(rules: Rules, model: Model, body: Mapping[str, Any]) -> None:
    """Check a body against every rule of its model.

    Raises:
        InvalidRequest: it lists everything that is wrong, and nothing was sent.
    """
    strays = stray_parameters(rules.catalog, model, body)
    # What JSON can't say, a schema can't judge.
    unsaid = list(_lone_paths(model, body)) or list(unwritable(body))
    refuse(model.name, strays + (unsaid or rules.violations(model, body)))


def _lone_paths(model: Model, body: Mapping[str, Any]) -> Iterator[Violation]:
    for name, rule in model.parameters.items():
        path = body.get(name)
        if isinstance(path, PurePath) and rule.get("type") == "array":
            message = f"{name} must be a list, of one file too: {name}=[Path({str(path)!r})]"
            yield Violation(f"/{name}", "type", message, repr(path))


def refuse(model: str, found: list[Violation]) -> None:
    """Raise one error for all violations, if there are any.

    Raises:
        InvalidRequest: there are.
    """
    if not found:
        return
    lines = [_line(violation) for violation in found if not _said_better(violation, found)]
    if len(lines) == 1:
        text = f"{model}: {lines[0]}"
    else:
        rules = "\n".join(f"  - {line}" for line in lines)
        text = f"{model}: {len(lines)} rules are broken:\n{rules}"
    raise InvalidRequest(text, violations=tuple(found))


def _said_better(violation: Violation, found: list[Violation]) -> bool:
    """Tell whether what may stand in its place is listed, which says what type it has."""
    return violation.rule == "type" and any(
        other.pointer == violation.pointer and other.rule == "enum" for other in found
    )


def _line(violation: Violation) -> str:
    rests = f' (the documents: "{violation.sentence}")' if violation.sentence else ""
    return violation.message + rests + (UPLOADER if _is_path(violation) else "")


def _is_path(violation: Violation) -> bool:
    value = violation.value
    return violation.rule == "format" and isinstance(value, str) and "://" not in value
