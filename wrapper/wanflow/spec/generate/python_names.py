"""The generator's rules for Python names, without importing it.

Importing openapi-python-client takes a third of the time of a regeneration. Its version is pinned,
and a test compares these rules with it.
"""

from __future__ import annotations

import builtins
import re
from keyword import kwlist

PREFIX = "field_"
"""The prefix for names that wouldn't be valid in Python."""

_SEPARATORS = "\\. _-"
_WORD = re.compile(f"[^{re.escape(_SEPARATORS)}]+")
_SMALL_LETTERS = re.compile("([A-Z]?[a-z]+)")
_RESERVED = {*dir(builtins), *kwlist, "self", "true", "false", "datetime"} - {"id"}


def class_name(text: str) -> str:
    """Return the class name for a schema."""
    name = _avoid_reserved(pascal_case(text))
    return name if name.isidentifier() else _avoid_reserved(pascal_case(PREFIX + name))


def variable_name(text: str) -> str:
    """Return the argument and attribute name for a property."""
    name = _avoid_reserved("_".join(_words(text)).lower())
    return name if name.isidentifier() and _allowed_characters(text)[:1] != "_" else PREFIX + name


def pascal_case(text: str) -> str:
    """Convert words to PascalCase; words in capitals stay unchanged."""
    return "".join(word if word.isupper() else word.capitalize() for word in _words(text))


def _words(text: str) -> list[str]:
    kept = _allowed_characters(text)
    if any(letter.isupper() for letter in kept):
        kept = _SMALL_LETTERS.sub(r" \1 ", kept)
    return _WORD.findall(kept)


def _allowed_characters(text: str) -> str:
    """Remove the characters that are neither allowed in names nor separators."""
    return "".join(
        one for one in text if one.isidentifier() or one.isdecimal() or one in _SEPARATORS
    )


def _avoid_reserved(name: str) -> str:
    return f"{name}_" if name in _RESERVED else name
