"""Validate patterns in the dialect of JSON Schema: regular expressions of ECMA-262.

The regex engine of jsonschema-rs supports nearly all of that dialect. It runs in linear time for
patterns without lookaround and backreferences, and with a backtracking limit for the others. What
it reads differently is translated here. The pipeline, the client, the mock and the contract suite
compile every schema with `validator_for`.
"""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs

from wanflow.catalog.document import is_object
from wanflow.catalog.keywords import KEYWORDS
from wanflow.catalog.schema_walk import map_subschemas

_BACKTRACK_LIMIT = 100_000
_OPTIONS = jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACK_LIMIT)
_NAMED_GROUP = re.compile(r"\(\?<([A-Za-z_$][\w$]*)>")
_TOKEN = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\k<[^>]*>|\\u\{[0-9a-fA-F]+\}|\\u[0-9a-fA-F]{4}|\\c[A-Za-z]|\\[pP]\{[^}]*\}|\\."
    r"|\(\?<[A-Za-z_$][\w$]*>|\[\^\]|\[\]|.",
    re.DOTALL,
)
_WORD = "[A-Za-z0-9_]"
_ANY_CHARACTER = r"[^\n\r\u2028\u2029]"
_OUTSIDE_CLASS = {
    ".": _ANY_CHARACTER,
    "[^]": r"[\s\S]",
    "[]": "(?!)",
    r"\0": r"\x00",
    r"\b": rf"(?:(?<={_WORD})(?!{_WORD})|(?<!{_WORD})(?={_WORD}))",
    r"\B": rf"(?:(?<={_WORD})(?={_WORD})|(?<!{_WORD})(?!{_WORD}))",
}
_IN_CLASS = {r"\b": r"\x08", r"\0": r"\x00", "[": r"\[", "&": r"\&", "~": r"\~"}
# Letters whose escape is the letter itself in ECMA-262, and something else in the engine.
_PLAIN_LETTERS = frozenset("AaCEeFGghHiIjJKlLmMNoOQqRTUVXyYzZ")
_CLASS_ESCAPES = frozenset([r"\d", r"\D", r"\w", r"\W", r"\s", r"\S"])


def validator_for(schema: Any) -> jsonschema_rs.Validator:
    """Compile a schema, with patterns of ECMA-262 and with formats checked.

    Raises:
        ValueError: the schema is invalid, or has a pattern that isn't supported.
    """
    return jsonschema_rs.validator_for(
        with_engine_patterns(schema),
        validate_formats=True,
        keywords=KEYWORDS,
        pattern_options=_OPTIONS,
    )


def is_unsupported(pattern: str) -> bool:
    """Return whether a pattern is invalid, or exceeds the engine's limits."""
    try:
        validator_for({"pattern": pattern}).is_valid("")
    except ValueError:
        return True
    return False


def with_engine_patterns(schema: Any) -> Any:
    """Copy a schema with its patterns translated for the engine."""
    if not is_object(schema):
        return schema
    return {key: _translate_keyword(key, value) for key, value in schema.items()}


def _translate_keyword(key: str, value: Any) -> Any:
    if key == "pattern" and isinstance(value, str):
        return to_engine_pattern(value)
    if key == "patternProperties" and is_object(value):
        return {
            to_engine_pattern(pattern): with_engine_patterns(rule)
            for pattern, rule in value.items()
        }
    if key == "components" and is_object(value):
        schemas = value.get("schemas", {})
        return {
            **value,
            "schemas": {name: with_engine_patterns(rule) for name, rule in schemas.items()},
        }
    return map_subschemas(key, value, with_engine_patterns)


def to_engine_pattern(pattern: str) -> str:
    """Translate a pattern of ECMA-262 for the engine."""
    names = [*_NAMED_GROUP.findall(pattern)]
    numbers = _group_numbers(pattern) if names else {}
    parts: list[str] = []
    within = False
    pieces: list[str] = _TOKEN.findall(pattern)
    for before, part, after in zip(["", *pieces], pieces, [*pieces[1:], ""], strict=False):
        if within:
            beside_set = part == "-" and not _CLASS_ESCAPES.isdisjoint((before, after))
            parts.append(r"\-" if beside_set else _translate_in_class(part))
            within = part != "]"
            continue
        within = part == "["
        parts.append(_translate_outside_class(part, numbers))
    return "".join(parts)


def _translate_outside_class(part: str, numbers: dict[str, int]) -> str:
    if part.startswith("(?<") and part.endswith(">"):
        return "("
    if part.startswith(r"\k<"):
        number = numbers.get(part[3:-1])
        return part if number is None else f"(?:\\{number})"
    return _OUTSIDE_CLASS.get(part) or _translate_escape(part)


def _translate_in_class(part: str) -> str:
    return _IN_CLASS.get(part) or _translate_escape(part)


def _translate_escape(part: str) -> str:
    """Translate an escaped letter, or a surrogate pair."""
    if len(part) == 2 and part[0] == "\\" and part[1] in _PLAIN_LETTERS:  # noqa: PLR2004
        return part[1]
    if len(part) == 12 and part.startswith(r"\u"):  # noqa: PLR2004
        high, low = int(part[2:6], 16), int(part[8:], 16)
        return f"\\u{{{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):x}}}"
    return part


def _group_numbers(pattern: str) -> dict[str, int]:
    """Return the number of each named group; unnamed groups count as well."""
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
