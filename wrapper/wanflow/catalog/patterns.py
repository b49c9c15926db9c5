"""Judge patterns as JSON Schema means them: regular expressions of ECMA-262.

The engine of jsonschema-rs reads nearly all of that dialect, in time that grows with the text
alone where a pattern looks neither around nor back, and within a bound of steps where it does.
What it reads otherwise is spelled here in the words that it has for it. Every schema of the
pipeline, the client, the mock and the contract suite is compiled by `validator_for`.
"""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs

from wanflow.catalog.document import is_object
from wanflow.catalog.keywords import KEYWORDS
from wanflow.catalog.schema_walk import map_schemas

_STEPS = 100_000
_OPTIONS = jsonschema_rs.FancyRegexOptions(backtrack_limit=_STEPS)
_NAMED = re.compile(r"\(\?<([A-Za-z_$][\w$]*)>")
_PIECE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\k<[^>]*>|\\u\{[0-9a-fA-F]+\}|\\u[0-9a-fA-F]{4}|\\c[A-Za-z]|\\[pP]\{[^}]*\}|\\."
    r"|\(\?<[A-Za-z_$][\w$]*>|\[\^\]|\[\]|.",
    re.DOTALL,
)
_WORD = "[A-Za-z0-9_]"
_ANY = r"[^\n\r\u2028\u2029]"
_OUTSIDE = {
    ".": _ANY,
    "[^]": r"[\s\S]",
    "[]": "(?!)",
    r"\0": r"\x00",
    r"\b": rf"(?:(?<={_WORD})(?!{_WORD})|(?<!{_WORD})(?={_WORD}))",
    r"\B": rf"(?:(?<={_WORD})(?={_WORD})|(?<!{_WORD})(?!{_WORD}))",
}
_IN_CLASS = {r"\b": r"\x08", r"\0": r"\x00", "[": r"\[", "&": r"\&", "~": r"\~"}
# Letters that mean themselves after a backslash in ECMA-262, and something else to the engine.
_PLAIN_LETTERS = frozenset("AaCEeFGghHiIjJKlLmMNoOQqRTUVXyYzZ")
_SETS = frozenset([r"\d", r"\D", r"\w", r"\W", r"\s", r"\S"])


def validator_for(schema: Any) -> jsonschema_rs.Validator:
    """Compile a schema, its patterns read as ECMA-262 and its formats checked.

    Raises:
        ValueError: it is no valid schema, or has a pattern that can't be judged.
    """
    return jsonschema_rs.validator_for(
        spoken(schema), validate_formats=True, keywords=KEYWORDS, pattern_options=_OPTIONS
    )


def unjudged(pattern: str) -> bool:
    """Tell whether no engine here can judge a pattern: it is none, or asks for too much."""
    try:
        validator_for({"pattern": pattern}).is_valid("")
    except ValueError:
        return True
    return False


def spoken(schema: Any) -> Any:
    """Copy a schema with its patterns in the engine's words; what has none stays the same."""
    if not is_object(schema):
        return schema
    return {key: _spoken_inside(key, value) for key, value in schema.items()}


def _spoken_inside(key: str, value: Any) -> Any:
    if key == "pattern" and isinstance(value, str):
        return in_engine(value)
    if key == "patternProperties" and is_object(value):
        return {in_engine(pattern): spoken(rule) for pattern, rule in value.items()}
    if key == "components" and is_object(value):
        schemas = value.get("schemas", {})
        return {**value, "schemas": {name: spoken(rule) for name, rule in schemas.items()}}
    return map_schemas(key, value, spoken)


def in_engine(pattern: str) -> str:
    """Spell a pattern of ECMA-262 in the words of the engine."""
    names = [*_NAMED.findall(pattern)]
    numbers = _group_numbers(pattern) if names else {}
    parts: list[str] = []
    within = False
    pieces: list[str] = _PIECE.findall(pattern)
    for before, part, after in zip(["", *pieces], pieces, [*pieces[1:], ""], strict=False):
        if within:
            beside_set = part == "-" and not _SETS.isdisjoint((before, after))
            parts.append(r"\-" if beside_set else _in_class(part))
            within = part != "]"
            continue
        within = part == "["
        parts.append(_outside(part, numbers))
    return "".join(parts)


def _outside(part: str, numbers: dict[str, int]) -> str:
    if part.startswith("(?<") and part.endswith(">"):
        return "("
    if part.startswith(r"\k<"):
        number = numbers.get(part[3:-1])
        return part if number is None else f"(?:\\{number})"
    return _OUTSIDE.get(part) or _letter(part)


def _in_class(part: str) -> str:
    return _IN_CLASS.get(part) or _letter(part)


def _letter(part: str) -> str:
    """Spell an escaped character or one of two halves."""
    if len(part) == 2 and part[0] == "\\" and part[1] in _PLAIN_LETTERS:  # noqa: PLR2004
        return part[1]
    if len(part) == 12 and part.startswith(r"\u"):  # noqa: PLR2004
        high, low = int(part[2:6], 16), int(part[8:], 16)
        return f"\\u{{{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):x}}}"
    return part


def _group_numbers(pattern: str) -> dict[str, int]:
    """Number the named groups as they come, those without a name counted."""
    numbers: dict[str, int] = {}
    count, within = 0, False
    for part in _group_tokens(pattern):
        if within:
            within = part != "]"
        elif part == "[":
            within = True
        elif part == "(" or part.startswith("(?<"):
            count += 1
            if part != "(":
                numbers[part[3:-1]] = count
    return numbers


def _group_tokens(pattern: str) -> list[str]:
    return re.findall(r"\\.|\(\?<[A-Za-z_$][\w$]*>|\(\?(?:[=!:]|<[=!])|\[\^?\]?|.", pattern, re.S)
