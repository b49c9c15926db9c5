"""Every check names the sentence that it rests on, or is a note; none is defined elsewhere."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import wanflow_contract
from wanflow.catalog.document import load_packaged
from wanflow_contract.checks import definitions
from wanflow_contract.checks.check import REGISTRY, Check

SUITE = Path(wanflow_contract.__path__[0])
DEFINITIONS = Path(definitions.__path__[0])
RFC = re.compile(r"RFC \d{4}, section \d+(\.\d+)*: (?P<sentence>.+)")
CHECKS = [pytest.param(check, id=name) for name, check in sorted(REGISTRY.items())]
assert len(CHECKS) > 90, "importing the package registers the checks"


def texts(node: Any) -> list[str]:
    """Return all texts within a part of the document."""
    match node:
        case str():
            return [node]
        case dict():
            return [found for value in node.values() for found in texts(value)]
        case list():
            return [found for value in node for found in texts(value)]
        case _:
            return []


@cache
def whole() -> list[str]:
    return texts(load_packaged())


def at(pointer: str) -> Any:
    """Return the part of the document at a pointer, with the schemas that it refers to."""
    found: Any = load_packaged()
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        found = found[int(name)] if isinstance(found, list) else found[name]
    return found


def is_clause(text: str, of: list[str]) -> bool:
    """Return whether a text is a sentence of others, or a part of one up to a sign or a line's end.

    A part of a word, or words of two clauses, say nothing.
    """
    words = r"\s+".join(re.escape(word) for word in text.rstrip(".").split())
    before, after = r"(?:^|[.!?:;,(|*#)-]\s*|, and )", r"(?=\s*$|\s*[.!?;:,)|#])"
    pattern = re.compile(before + words + after, re.MULTILINE)
    return any(pattern.search(one) for one in of)


def is_source(text: str) -> bool:
    """Return whether a text is in the document, is a pointer into it, or a MUST of an RFC."""
    if rfc := RFC.fullmatch(text):
        return re.search(r"\b(MUST|SHALL|REQUIRED)\b", rfc["sentence"]) is not None
    if text.startswith("#/"):
        pointer, _, sentence = text.partition(": ")
        try:
            part = at(pointer)
        except (KeyError, IndexError, ValueError):
            return False
        return not sentence or is_clause(sentence, texts(part))
    return bool(text) and is_clause(text, whole())


def is_cited(text: str) -> bool:
    """Return whether a text consists of sources with semicolons between them."""
    cuts = [len(text), *(found.start() for found in re.finditer("; ", text))]
    heads = ((text[:cut], text[cut + 2 :]) for cut in cuts)
    return any(is_source(head) and (not rest or is_cited(rest)) for head, rest in heads)


@pytest.mark.parametrize("check", CHECKS)
def test_a_check_rests_on_a_sentence_or_is_a_note(check: Check) -> None:
    """Its source is found word by word; a note claims none."""
    assert bool(check.cites) != check.note
    assert check.note or is_cited(check.cites), check.cites


@pytest.mark.parametrize("check", CHECKS)
def test_a_check_says_why_it_matters_and_what_is_correct(check: Check) -> None:
    """Each is one plain sentence."""
    for text in (check.sentence, check.why, check.correct):
        assert re.fullmatch(r"[A-Z`].*\.", text), text
        assert len(text) < 110, text
        assert not re.search(r"[.!?] [A-Z]", text), text


@pytest.mark.parametrize(
    "text",
    [
        "Links to what nobody made",
        "#/components/schemas/Nothing",
        "#/components/schemas/TaskError: Error code",
        "RFC 9110, section 5.1: Other recipients SHOULD ignore unrecognized fields.",
        "Parameter name that caused the error; and more",
        "Parameter name that",
        "name that caused the error",
        "arameter name that caused the error",
        "the",
        "common sense",
    ],
)
def test_what_no_document_says_is_no_source(text) -> None:
    """The test above can fail."""
    assert not is_cited(text)


@pytest.mark.processes
def test_checks_are_defined_by_topic_only() -> None:
    """No other module defines a check, so importing `wanflow_contract.checks` registers all."""
    elsewhere = [
        f"{path.name}:{node.lineno}"
        for path in SUITE.rglob("*.py")
        if path.parent != DEFINITIONS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Check"
    ]
    assert not elsewhere
    script = (
        "import wanflow_contract.checks; from wanflow_contract.checks.check import REGISTRY\n"
        "print(len(REGISTRY))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=SUITE.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    assert int(done.stdout) == len(REGISTRY)
