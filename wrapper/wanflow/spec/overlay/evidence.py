"""Whether a text carries the whole of what a rule rests on: a sentence to its end, a list to its.

White space and line breaks aside, the words must be the same. A sentence that goes on ("`5` and
`10`, and `15` for members") is another; so is a list with one more entry, where the list is what a
rule enumerates.
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
_MARK = r"(?:[-*•]|\d{1,2}[.)])\s+"
_ITEM = re.compile(_MARK)
_INLINE_ITEM = re.compile(r"(?<=\S)[^\S\n]+([-*•][^\S\n]+(?=[`'\"]))")
_BEGUN = re.compile(r"(?:^|[\n.;:!?,(]|(?:^|\s)[-*•])[\s*_]*$")
# A line that begins with a small letter or a value goes on with the one before it.
_ENDED = re.compile(r"[^\S\n]*(?:$|\n(?![^\S\n]*[a-z`,])|[.;:!?)](?:[\s*_]|$)|\(|[-*•][^\S\n])")
_WRAPPED = re.compile(r"(?:(?<=,)|(?<=\band)|(?<=\bor))\n[^\S\n]*(?=\S)|\n[^\S\n]*(?=[a-z])")
_VALUE = re.compile(r"[*_]*([`'\"“])([^`'\"”]+)[`'\"”][*_]*\s*(?:$|[:(,=\u2013\u2014\uff1a-])")
_ALIKE = 0.4


def stands_in(text: str, sentence: str, keyword: str) -> bool:
    """Tell whether a text carries a sentence whole; of an enumeration's list, every entry."""
    entries = re.split(r"\s+[-*•]\s+", flat(sentence))
    if keyword in ENUMERATIONS and len(entries) > 1:
        return entries in lists_in(text)
    return any(
        _BEGUN.search(text[: found.start()])
        and (text[found.end() - 1] in ".;!?" or _ENDED.match(text, found.end()))
        for found in _words(flat(sentence)).finditer(text)
    )


def lists_in(text: str) -> list[list[str]]:
    """Return the lists of a text, each with its entries on one line."""
    lists: list[list[str]] = [[]]
    open_entry = False
    for line in _INLINE_ITEM.sub(r"\n\1", text).splitlines():
        bare = line.strip()
        mark = _ITEM.match(bare)
        if mark:
            lists[-1].append(flat(bare[mark.end() :]))
        elif bare and open_entry and not bare.startswith(("#", "**")):
            lists[-1][-1] += f" {flat(bare)}"
        elif bare and lists[-1]:
            lists.append([])
        open_entry = bool(bare) and bool(lists[-1])
    return [entries for entries in lists if entries]


def sentences_of(text: str) -> Iterator[str]:
    """List the sentences of a text, each on one line, without the marks of lists."""
    for line in _WRAPPED.sub(" ", text).splitlines():
        for part in re.split(r"(?<=[.;!])\s+(?=[A-Z])", line.strip().lstrip("-*• ")):
            yield flat(part)


def values_in(entries: list[str]) -> list[str]:
    """Return the values that a list enumerates, one an entry; none where an entry names none."""
    found = [_VALUE.match(entry) for entry in entries]
    return [one[2] for one in found if one] if len(found) > 1 and all(found) else []


def instead(text: str, sentence: str) -> str:
    """Return what a text says in place of a sentence; empty where nothing is like it."""
    whole = [" - ".join(entries) for entries in lists_in(text)]
    lines = [flat(line.strip().lstrip("-*• ")) for line in text.splitlines()]
    found = get_close_matches(flat(sentence), [*whole, *lines], 1, _ALIKE)
    return found[0] if found else ""


def evidence_in(update: Any) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """List what the rules of an update rest on: for which property, which keyword, the sentence."""
    yield from _evidence(update, ())


def _evidence(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    if is_array(node):
        for item in node:
            yield from _evidence(item, path)
    elif is_object(node):
        for keyword, sentence in node.get(CITES, {}).items():
            yield path, keyword, sentence
        for name, rule in node.get("properties", {}).items():
            yield from _evidence(rule, (*path, name))
        rest = [value for key, value in node.items() if key not in {"properties", CITES}]
        yield from _evidence(rest, path)


def texts_of(node: Any) -> Iterator[str]:
    """List every text of some data, as it stands."""
    if isinstance(node, str):
        yield node
    children = node.values() if is_object(node) else node if is_array(node) else ()
    for child in children:
        yield from texts_of(child)


def flat(text: str) -> str:
    """Write a text on one line."""
    return " ".join(text.split())


@lru_cache(maxsize=512)
def _words(sentence: str) -> re.Pattern[str]:
    return re.compile(r"\s+".join(re.escape(word) for word in sentence.split()))
