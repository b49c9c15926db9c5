"""The names that the generator makes of a document's: its rules, without its imports.

Importing openapi-python-client takes as long as a third of a regeneration. Its version is pinned,
and a test holds these rules to its own.
"""

from __future__ import annotations

import builtins
import re
from keyword import kwlist

PREFIX = "field_"
"""What a name begins with that would be none in Python."""

_BETWEEN_WORDS = "\\. _-"
_WORD = re.compile(f"[^{re.escape(_BETWEEN_WORDS)}]+")
_SMALL_LETTERS = re.compile("([A-Z]?[a-z]+)")
_RESERVED = {*dir(builtins), *kwlist, "self", "true", "false", "datetime"} - {"id"}


def class_name(text: str) -> str:
    """Name the class of a schema."""
    name = _unreserved(pascal_case(text))
    return name if name.isidentifier() else _unreserved(pascal_case(PREFIX + name))


def variable_name(text: str) -> str:
    """Name the argument and attribute of a property."""
    name = _unreserved("_".join(_words(text)).lower())
    return name if name.isidentifier() and _kept(text)[:1] != "_" else PREFIX + name


def pascal_case(text: str) -> str:
    """Write words as one, each with a capital; those in capitals stay so."""
    return "".join(word if word.isupper() else word.capitalize() for word in _words(text))


def _words(text: str) -> list[str]:
    kept = _kept(text)
    if any(letter.isupper() for letter in kept):
        kept = _SMALL_LETTERS.sub(r" \1 ", kept)
    return _WORD.findall(kept)


def _kept(text: str) -> str:
    """Leave out what can be no part of a name, and stands between no two words."""
    return "".join(
        one for one in text if one.isidentifier() or one.isdecimal() or one in _BETWEEN_WORDS
    )


def _unreserved(name: str) -> str:
    return f"{name}_" if name in _RESERVED else name
