"""Deprecations in the spec: what is deprecated, its removal date and its replacement.

OpenAPI only has the keyword `deprecated`. The date and the replacement are in extensions of
different names beside it, or in a sentence of the description, which is then quoted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.catalog.document import JsonObject, is_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DATE_KEYS = ("x-sunset", "sunset", "x-sunset-date", "x-removal-date", "x-end-of-life")
"""Extensions with the removal date."""
REPLACEMENT_KEYS = ("x-replacement", "x-replaced-by", "x-superseded-by", "x-successor")
"""Extensions with the replacement."""
VALUE_LIST_KEYS = ("x-deprecated-values", "x-enum-deprecated", "x-deprecated-enum")
"""Extensions that list the deprecated values of an enum, or map them to a message."""
FLAG_KEYS = ("deprecated", "x-deprecated")
DEPRECATION_KEYS = (*FLAG_KEYS, *DATE_KEYS, *REPLACEMENT_KEYS)

_SENTENCE = re.compile(r"\b(deprecat|sunset|superseded by|replaced by|will be removed)", re.I)
_SENTENCE_END = re.compile(r"(?<=[.;!])\s+(?=[A-Z`*])|\n+")


@frozen
class Deprecation:
    """One deprecation; a field is empty if the spec doesn't give it."""

    replacement: str = ""
    date: str = ""
    sentence: str = ""

    def describe(self, name: str) -> str:
        """Return the warning for a named parameter, value or model as one sentence."""
        parts = [f"{name} is deprecated"]
        if self.date:
            parts.append(f"and will be removed on {self.date}")
        if self.replacement:
            parts.append(f"; use {self.replacement} instead")
        quoted = f' (the spec: "{self.sentence}")' if self.sentence else ""
        return " ".join(parts).replace(" ;", ";") + quoted


def deprecation_of(node: Any) -> Deprecation | None:
    """Return the deprecation of a schema, parameter or operation; None if it isn't deprecated."""
    if not is_object(node):
        return None
    extension: Any = node.get("x-deprecated")
    if not (node.get("deprecated") is True or extension or _first_value(node, DATE_KEYS)):
        return None
    details: JsonObject = extension if is_object(extension) else {}
    sentence = details.get("message") or (extension if isinstance(extension, str) else "")
    return Deprecation(
        replacement=_first_value(node, REPLACEMENT_KEYS)
        or _first_value(details, ("replacement", "replacedBy")),
        date=_first_value(node, DATE_KEYS) or _first_value(details, ("sunset", "date", "until")),
        sentence=str(sentence or _deprecation_sentence(node.get("description"))),
    )


def deprecated_values(schema: Any) -> Iterator[tuple[Any, Deprecation]]:
    """Yield the deprecated values of an enum."""
    if not is_object(schema):
        return
    for key in VALUE_LIST_KEYS:
        listed: Any = schema.get(key)
        details = listed if is_object(listed) else dict.fromkeys(listed or (), True)
        for value, extension in details.items():
            yield value, deprecation_of({"x-deprecated": extension}) or Deprecation()
    for branch in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        deprecation = deprecation_of(branch)
        if deprecation is not None and "const" in branch:
            yield branch["const"], deprecation


def deprecation_warnings(schema: Any, body: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield a warning for each deprecated parameter and value of a request."""
    properties: JsonObject = schema.get("properties", {}) if is_object(schema) else {}
    for name, rule in properties.items():
        if name not in body:
            continue
        deprecation = deprecation_of(rule)
        if deprecation is not None:
            yield deprecation.describe(f"the parameter {prefix}{name}")
        given: Any = body[name]
        for value, deprecated in deprecated_values(rule):
            if type(value) is type(given) and value == given:
                yield deprecated.describe(f"the value {given!r} of {prefix}{name}")
        if is_object(given):
            yield from deprecation_warnings(rule, given, f"{prefix}{name}.")


def has_deprecations(schema: Any) -> bool:
    """Return whether `deprecation_warnings` may find anything in a request of this schema."""
    properties: JsonObject = schema.get("properties", {}) if is_object(schema) else {}
    return any(
        deprecation_of(rule) is not None
        or any(True for _ in deprecated_values(rule))
        or has_deprecations(rule)
        for rule in properties.values()
    )


def _first_value(node: Mapping[str, Any], names: tuple[str, ...]) -> str:
    found = (node[name] for name in names if node.get(name) not in (None, "", True, False))
    return str(next(found, ""))


def _deprecation_sentence(text: Any) -> str:
    sentences = _SENTENCE_END.split(text) if isinstance(text, str) else []
    found = next((one for one in sentences if _SENTENCE.search(one)), "")
    return " ".join(found.strip("-*• ").split())
