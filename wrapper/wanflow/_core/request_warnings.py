"""What a request may say, and yet won't do what it seems to: worth a warning, and no error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wanflow._core.local_files import file_values
from wanflow._core.model_lookup import nearest
from wanflow.catalog.deprecation import deprecation_warnings
from wanflow.catalog.document import is_object
from wanflow.catalog.keywords import AUDIO_FILE, EFFECTIVE_WHEN, IMAGE_FILE, citation_of
from wanflow.catalog.public_url import public_url_problem
from wanflow.catalog.violation import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wanflow.catalog.catalog import Model
    from wanflow.catalog.document import JsonObject


def request_warnings(
    document: JsonObject,
    model: Model,
    body: Mapping[str, Any],
    extra: Mapping[str, Any] | None = None,
) -> list[str]:
    """List what of a request has no effect, is unknown, or names a file that the API can't fetch.

    `extra` is sent together with the body, and may have unknown fields.
    """
    whole = {**body, **(extra or {})}
    return [
        *_unknown_fields(model, body),
        *_of_object(model, whole, model.schema, whole, ""),
        *_of_links(document, model, whole),
    ]


def deprecated(model: Model, body: Mapping[str, Any]) -> list[str]:
    """Say what of a request the documents are going to remove, in one sentence or none."""
    model_warnings = (
        [] if model.deprecation is None else [model.deprecation.describe(f"the model {model.name}")]
    )
    parts = deprecation_warnings(model.schema, body) if model.has_deprecated_parts else ()
    found = [*model_warnings, *parts]
    return ["; ".join(found)] if found else []


def _unknown_fields(model: Model, body: Mapping[str, Any]) -> list[str]:
    """List the fields inside parameters that the documents don't name, each with the nearest."""
    return [
        sentence
        for name, rule in model.parameters.items()
        if is_object(rule) and is_object(part := body.get(name))
        for sentence in _unknown(rule, part, name)
    ]


def _unknown(rule: Mapping[str, Any], part: Mapping[str, Any], path: str) -> Iterator[str]:
    known: Mapping[str, Any] = rule.get("properties", {})
    for name, value in part.items():
        inner: Any = known.get(name)
        if is_object(inner) and is_object(value):
            yield from _unknown(inner, value, f"{path}.{name}")
        elif known and name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near}?" if near else f"they name {', '.join(known)}"
            yield f"{path}.{name} is in none of the documents, and may have no effect; {hint}"


def _of_object(
    model: Model, body: Mapping[str, Any], schema: Any, part: Mapping[str, Any], prefix: str
) -> Iterator[str]:
    for name, rule in schema.get("properties", {}).items():
        if name not in part or not is_object(rule):
            continue
        for other, wanted in rule.get(EFFECTIVE_WHEN, {}).items():
            if _value(model, body, other) != wanted:
                yield _sentence(prefix + name, other, wanted, rule)
        inner: Any = part[name]
        if is_object(inner):
            yield from _of_object(model, body, rule, inner, f"{prefix}{name}.")


def _value(model: Model, body: Mapping[str, Any], name: str) -> Any:
    return body[name] if name in body else model.parameters.get(name, {}).get("default")


def _sentence(name: str, other: str, wanted: Any, rule: Mapping[str, Any]) -> str:
    citation = citation_of(rule, EFFECTIVE_WHEN)
    quote = f' (the documents: "{citation}")' if citation else ""
    return f"{name} has no effect unless {other} is {json.dumps(wanted)}{quote}"


def _of_links(document: JsonObject, model: Model, body: Mapping[str, Any]) -> Iterator[str]:
    """Name links to input files that lead nowhere from outside: the task is charged, and fails."""
    for pointer, link, rule in file_values(document, model, body):
        problem = fetch_problem(link) if IMAGE_FILE in rule or AUDIO_FILE in rule else None
        if problem:
            name = name_of(pointer)
            yield f"{name} is fetched by the API's own servers, and {problem} (got {link!r})"


def fetch_problem(link: object) -> str | None:
    """Return why the API's servers can't fetch a link, as the end of a sentence; None if they may.

    What isn't a link is left to the validation.
    """
    scheme, found, _ = link.partition("://") if isinstance(link, str) else ("", "", "")
    if not found:
        return None
    if scheme.lower() not in {"http", "https"}:
        return f"those can't read {scheme!r} links from outside"
    return public_url_problem(str(link))
