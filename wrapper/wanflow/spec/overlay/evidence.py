"""Find citations in a text: complete sentences and complete lists.

The words must be the same; white space and line breaks are ignored. A longer sentence ("`5` and
`10`, and `15` for members") is a different one, and so is a list with an additional entry, if the
constraint is an enum.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from wanflow.catalog.document import is_array, is_object
from wanflow.catalog.keywords import CITES

if TYPE_CHECKING:
    from collections.abc import Iterator

ENUMERATIONS = frozenset({"enum", "const"})
_LIST_MARK = r"(?:[-*•]|\d{1,2}[.)])\s+"
_LIST_ITEM = re.compile(_LIST_MARK)
_INLINE_ITEM = re.compile(r"(?<=\S)[^\S\n]+([-*•][^\S\n]+(?=[`'\"]))")
_SENTENCE_START = re.compile(r"(?:^|[\n.;:!?,(]|(?:^|\s)[-*•])[\s*_]*$")
# A line that begins with a lower-case letter or a value continues the line before.
_SENTENCE_END = re.compile(
    r"[^\S\n]*(?:$|\n(?![^\S\n]*[a-z`,])|[.;:!?)](?:[\s*_]|$)|\(|[-*•][^\S\n])"
)
_WRAPPED_LINE = re.compile(r"(?:(?<=,)|(?<=\band)|(?<=\bor))\n[^\S\n]*(?=\S)|\n[^\S\n]*(?=[a-z])")
_VALUE = re.compile(r"[*_]*([`'\"“])([^`'\"”]+)[`'\"”][*_]*\s*(?:$|[:(,=\u2013\u2014\uff1a-])")
_SIMILARITY = 0.4


def contains_citation(text: str, sentence: str, keyword: str) -> bool:
    """Return whether a text contains a complete sentence; for an enum, the complete list."""
    entries = re.split(r"\s+[-*•]\s+", collapse_whitespace(sentence))
    if keyword in ENUMERATIONS and len(entries) > 1:
        return entries in parse_lists(text)
    return any(
        _SENTENCE_START.search(text[: found.start()])
        and (text[found.end() - 1] in ".;!?" or _SENTENCE_END.match(text, found.end()))
        for found in _words_pattern(collapse_whitespace(sentence)).finditer(text)
    )


def parse_lists(text: str) -> list[list[str]]:
    """Return the lists of a text, each entry on one line."""
    lists: list[list[str]] = [[]]
    open_entry = False
    for line in _INLINE_ITEM.sub(r"\n\1", text).splitlines():
        stripped = line.strip()
        mark = _LIST_ITEM.match(stripped)
        if mark:
            lists[-1].append(collapse_whitespace(stripped[mark.end() :]))
        elif stripped and open_entry and not stripped.startswith(("#", "**")):
            lists[-1][-1] += f" {collapse_whitespace(stripped)}"
        elif stripped and lists[-1]:
            lists.append([])
        open_entry = bool(stripped) and bool(lists[-1])
    return [entries for entries in lists if entries]


def split_sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a text, each on one line, without list marks."""
    for line in _WRAPPED_LINE.sub(" ", text).splitlines():
        for part in re.split(r"(?<=[.;!])\s+(?=[A-Z])", line.strip().lstrip("-*• ")):
            yield collapse_whitespace(part)


def enumerated_values(entries: list[str]) -> list[str]:
    """Return the values of a list, one per entry; empty if an entry has none."""
    found = [_VALUE.match(entry) for entry in entries]
    return [one[2] for one in found if one] if len(found) > 1 and all(found) else []


def closest_text(text: str, sentence: str) -> str:
    """Return the sentence or list of a text most similar to a sentence; empty if there is none."""
    lists = [" - ".join(entries) for entries in parse_lists(text)]
    lines = [collapse_whitespace(line.strip().lstrip("-*• ")) for line in text.splitlines()]
    found = get_close_matches(collapse_whitespace(sentence), [*lists, *lines], 1, _SIMILARITY)
    return found[0] if found else ""


def iter_citations(update: Any) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield the citations of an update: property path, keyword and sentence."""
    yield from _iter_citations(update, ())


def _iter_citations(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    if is_array(node):
        for item in node:
            yield from _iter_citations(item, path)
    elif is_object(node):
        for keyword, sentence in node.get(CITES, {}).items():
            yield path, keyword, sentence
        for name, rule in node.get("properties", {}).items():
            yield from _iter_citations(rule, (*path, name))
        rest = [value for key, value in node.items() if key not in {"properties", CITES}]
        yield from _iter_citations(rest, path)


def iter_texts(node: Any) -> Iterator[str]:
    """Yield every string in JSON data."""
    if isinstance(node, str):
        yield node
    children = node.values() if is_object(node) else node if is_array(node) else ()
    for child in children:
        yield from iter_texts(child)


def collapse_whitespace(text: str) -> str:
    """Replace each run of white space by one space."""
    return " ".join(text.split())


@lru_cache(maxsize=512)
def _words_pattern(sentence: str) -> re.Pattern[str]:
    return re.compile(r"\s+".join(re.escape(word) for word in sentence.split()))
