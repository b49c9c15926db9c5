"""The errors of openapi-spec-validator, each as one sentence about one position."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.catalog.document import JsonObject, escape_key, is_array, is_object, pointer
from wanflow.catalog.schema_walk import iter_schemas, map_subschemas
from wanflow.spec.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST = 140
_VALUES = frozenset({"default", "example", "examples", "value"})
_SEE = "see OpenAPI 3.1"


@frozen
class _BareDocument:
    """A document without what is checked elsewhere; equal to another with the same text."""

    text: str
    data: JsonObject = field(eq=False)


def validate(document: JsonObject, file: str) -> tuple[Finding, ...]:
    """Return the errors of openapi-spec-validator; references must be valid already."""
    _spec_validator()  # a missing extra is no error of the document
    try:
        bare = _without_values(document)
        return _validate_bare(_BareDocument(repr(bare), bare), file)
    except RecursionError:
        problem = "it is nested deeper than can be checked"
        return (Finding(file, "", problem, "write it flatter"),)
    except Exception as fault:  # it raises various exceptions for some documents
        problem = f"no validator of OpenAPI can follow it ({_short(str(fault))})"
        return (Finding(file, "", problem, _SEE),)


@lru_cache(maxsize=32)  # one import checks the same document several times
def _validate_bare(document: _BareDocument, file: str) -> tuple[Finding, ...]:
    return tuple(
        finding
        for error in _spec_validator()(document.data).iter_errors()
        if (error.validator, error.validator_value) != ("format", "regex")
        for finding in _findings(document.data, error, file)
    )


def _without_values(node: Any) -> Any:
    """Copy a document without what is checked elsewhere, by its line and in ECMA-262's dialect.

    The validator loses the place of a default, and tries patterns with Python's own engine, which
    reads others and may never come to an end.
    """
    return {key: _bare_outside(key, value) for key, value in node.items()}


def _bare_outside(key: str, value: Any) -> Any:
    if key == "schema":
        return _bare_schema(value)
    if key == "schemas" and is_object(value):
        return {name: _bare_schema(rule) for name, rule in value.items()}
    if is_array(value):
        return [_bare_outside("", item) for item in value]
    return _without_values(value) if is_object(value) and key not in _VALUES else value


def _bare_schema(node: Any) -> Any:
    if not is_object(node):
        return node
    return {
        key: map_subschemas(key, value, _bare_schema)
        for key, value in node.items()
        if key not in _VALUES and not (key == "pattern" and isinstance(value, str))
    }


def _findings(document: JsonObject, error: Any, file: str) -> Iterator[Finding]:
    at = _whole_pointer(document, list(error.absolute_path), error.instance)
    unknown = list(_unknown(document, error, at))
    for key, remedy in unknown:
        yield Finding(file, f"{at}/{escape_key(key)}", f"{key!r} is no key of OpenAPI here", remedy)
    if not unknown:
        # The rest of the message is the whole document, and the path in the validator's schema.
        text = str(error.message).partition("\n\nFailed validating")[0]
        yield Finding(file, at, _short(text), _SEE)


def _whole_pointer(document: JsonObject, path: list[Any], instance: Any) -> str:
    """Return the pointer of an error; the path of a schema error starts at the schema."""
    at = "".join(f"/{escape_key(str(part))}" for part in path)
    if path and not _is_there(document, at, instance):
        for above, schema in iter_schemas(document):
            if _is_there(schema, at, instance):
                return above + at
    return at


def _is_there(node: JsonObject, at: str, instance: Any) -> bool:
    try:
        found = pointer(node, at)
    except (LookupError, TypeError, ValueError):
        return False
    return found is instance or (type(found) is type(instance) and found == instance)


def _unknown(document: JsonObject, error: Any, at: str) -> Iterator[tuple[str, str]]:
    """Yield the unknown keys of an OpenAPI object, each with what to write instead."""
    *place, word = list(error.absolute_schema_path) or [""]
    if word != "unevaluatedProperties":
        return
    node: Any = pointer(document, at)
    rule: JsonObject = error.schema
    for part in place:
        rule = rule[part] if is_object(rule) and part in rule else {}
    known: list[str] = list(rule.get("properties", ()))
    patterns: list[str] = list(rule.get("patternProperties", ()))
    for key in node if is_object(node) and known else ():
        listed = any(re.search(one, key) for one in patterns)
        if key not in known and not listed and not key.startswith("x-"):
            close = get_close_matches(key, known, 1)
            yield key, f"write {close[0]}" if close else f"remove it, or write it as x-{key}"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _MOST else f"{flat[: _MOST // 2]} … {flat[-_MOST // 2 :]}"


@cache
def _spec_validator() -> Any:
    # Importing it takes half a second, and only checks need it.
    from openapi_spec_validator import OpenAPIV31SpecValidator  # noqa: PLC0415

    return OpenAPIV31SpecValidator
