"""A sentence of a page has 35 words at most, so that it can be read once."""

from __future__ import annotations

import re

import pytest
from docs_build.collect import ELSEWHERE

from tests.docs.pages import DOCS, ROOT

LISTS = {"CHANGELOG.md", "benchmarks/RESULTS.md"}
PAGES = sorted(
    [path.relative_to(ROOT).as_posix() for path in DOCS.rglob("*.md")] + [*{*ELSEWHERE} - LISTS]
)
MOST = 35
_FENCE = re.compile(r"^( *)```.*?^\1```$", re.DOTALL | re.MULTILINE)
_BEGINS_A_BLOCK = re.compile(r"^\s*(?:[-*] |\d+\. |#|\||>|$)")
_END = re.compile(r"(?<=[.!?:;])[*)”\"]*\s+")


def sentences(text: str) -> list[str]:
    """Return the sentences of a page; code is one word, and a cell of a table stands alone."""
    text = re.sub(r"`[^`]*`", "CODE", _FENCE.sub("", text))
    text = re.sub(r"\]\([^)\s]*\)", "]", text)
    blocks = [""]
    for line in text.splitlines():
        if _BEGINS_A_BLOCK.match(line):
            blocks.append("")
        blocks[-1] += f" {line}"
    cells = [cell for block in blocks for cell in re.split(r" [|·] ", block)]
    return [one for cell in cells for one in _END.split(cell)]


def words(sentence: str) -> int:
    """Count what has a letter or a digit."""
    return sum(bool(re.search(r"\w", one)) for one in sentence.split())


@pytest.mark.parametrize("name", PAGES)
def test_no_sentence_is_long(name: str) -> None:
    """A colon or a semicolon ends one."""
    found = sentences((ROOT / name).read_text("utf-8"))
    assert found
    assert [one for one in found if words(one) > MOST] == []


@pytest.mark.parametrize(
    ("text", "longest"),
    [
        ("one two. three", 2),
        ("one\ntwo three\n\nfour", 3),
        ("- one two\n- three", 2),
        ("| one two | three |\n|---|---|", 2),
        ("`wanflow run a` [b c](d.md#e) — f", 4),
        ("one\n```sh\ntwo three\n```\n", 1),
    ],
)
def test_what_a_sentence_is(text: str, longest: int) -> None:
    """It ends with its cell, point or paragraph, too."""
    assert max(map(words, sentences(text))) == longest
