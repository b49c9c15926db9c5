"""What a document says of something that it is going to remove: since when, and what replaces it.

OpenAPI has one word for it, `deprecated`. The date and the replacement stand beside it in
extensions of several names, or in a sentence of the description, which is then quoted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.catalog.document import JsonObject, is_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DATES = ("x-sunset", "sunset", "x-sunset-date", "x-removal-date", "x-end-of-life")
"""Extensions that say when something will be gone."""
REPLACEMENTS = ("x-replacement", "x-replaced-by", "x-superseded-by", "x-successor")
"""Extensions that say what replaces something."""
VALUES = ("x-deprecated-values", "x-enum-deprecated", "x-deprecated-enum")
"""Extensions that list the values of an enumeration that are deprecated, or map them to a text."""
MARKS = ("deprecated", "x-deprecated")
NOTES = (*MARKS, *DATES, *REPLACEMENTS)

_SENTENCE = re.compile(r"\b(deprecat|sunset|superseded by|replaced by|will be removed)", re.I)
_END = re.compile(r"(?<=[.;!])\s+(?=[A-Z`*])|\n+")


@frozen
class Deprecation:
    """That something is deprecated, and what the document says of it besides."""

    replacement: str = ""
    date: str = ""
    sentence: str = ""

    def of(self, name: str) -> str:
        """Say it of something with a name, in one sentence."""
        parts = [f"{name} is deprecated"]
        if self.date:
            parts.append(f"and will be removed on {self.date}")
        if self.replacement:
            parts.append(f"; use {self.replacement} instead")
        quoted = f' (the documents: "{self.sentence}")' if self.sentence else ""
        return " ".join(parts).replace(" ;", ";") + quoted


def deprecation_of(node: Any) -> Deprecation | None:
    """Read what a schema, a parameter or an operation says of its own removal; None for nothing."""
    if not is_object(node):
        return None
    told: Any = node.get("x-deprecated")
    if not (node.get("deprecated") is True or told or _first(node, DATES)):
        return None
    more: JsonObject = told if is_object(told) else {}
    sentence = more.get("message") or (told if isinstance(told, str) else "")
    return Deprecation(
        replacement=_first(node, REPLACEMENTS) or _first(more, ("replacement", "replacedBy")),
        date=_first(node, DATES) or _first(more, ("sunset", "date", "until")),
        sentence=str(sentence or _quoted(node.get("description"))),
    )


def deprecated_values(schema: Any) -> Iterator[tuple[Any, Deprecation]]:
    """List the values of an enumeration that are deprecated."""
    if not is_object(schema):
        return
    for word in VALUES:
        listed: Any = schema.get(word)
        said = listed if is_object(listed) else dict.fromkeys(listed or (), True)
        for value, told in said.items():
            yield value, deprecation_of({"x-deprecated": told}) or Deprecation()
    for branch in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        found = deprecation_of(branch)
        if found is not None and "const" in branch:
            yield branch["const"], found


def deprecations(schema: Any, body: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Say of each parameter and value of a request whether it is deprecated."""
    properties: JsonObject = schema.get("properties", {}) if is_object(schema) else {}
    for name, rule in properties.items():
        if name not in body:
            continue
        told = deprecation_of(rule)
        if told is not None:
            yield told.of(f"the parameter {prefix}{name}")
        given: Any = body[name]
        for value, said in deprecated_values(rule):
            if type(value) is type(given) and value == given:
                yield said.of(f"the value {given!r} of {prefix}{name}")
        if is_object(given):
            yield from deprecations(rule, given, f"{prefix}{name}.")


def _first(node: Mapping[str, Any], names: tuple[str, ...]) -> str:
    found = (node[name] for name in names if node.get(name) not in (None, "", True, False))
    return str(next(found, ""))


def _quoted(text: Any) -> str:
    sentences = _END.split(text) if isinstance(text, str) else []
    found = next((one for one in sentences if _SENTENCE.search(one)), "")
    return " ".join(found.strip("-*• ").split())
