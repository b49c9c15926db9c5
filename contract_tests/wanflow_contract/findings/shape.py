"""The shape of a failure: what stays the same when only values differ."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from wanflow_contract.checks.documented_responses import packaged_contract

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from wanflow.catalog.document import JsonObject
    from wanflow_contract.checks.check import CheckFailed

_URL = re.compile(r"https?://[^\s'\",\])}]+")
_QUOTED = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"")
_TASK = re.compile(r"task-unified-[\w-]+")
_NUMBER = re.compile(r"(?<![\w<])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w>])", re.IGNORECASE)
_LONGEST = 200


def shape_of(failure: CheckFailed) -> str:
    """Return the detail of a failure with names and statuses kept, and values left out."""
    if failure.shape:
        return failure.shape
    statuses = {str(one.status) for one in failure.exchanges}
    return without_values(failure.detail, statuses)


def without_values(text: str, kept: Collection[str] = ()) -> str:
    """Return a text with documented words kept, and URLs, ids, texts and numbers left out."""
    text = _URL.sub("<url>", text)
    text = _QUOTED.sub(_kept_if_documented, text)
    text = _TASK.sub("<id>", text)
    text = _NUMBER.sub(lambda found: found[0] if found[0] in kept else "<number>", text)
    text = text.encode("utf-8", "backslashreplace").decode()
    return " ".join(text.split())[:_LONGEST]


def _kept_if_documented(found: re.Match[str]) -> str:
    return found[0] if found[0][1:-1] in _vocabulary() else "<text>"


@cache
def _vocabulary() -> frozenset[str]:
    """Return the property names and listed values of the documents."""
    return frozenset(_words(packaged_contract().catalog.document))


def _words(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        yield from _words_of_schema(node)
        for inner in node.values():
            yield from _words(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _words(inner)


def _words_of_schema(node: JsonObject) -> Iterator[str]:
    properties, choices = node.get("properties"), node.get("enum")
    if isinstance(properties, dict):
        yield from properties
    if isinstance(choices, list):
        yield from (one for one in choices if isinstance(one, str))
    if isinstance(node.get("const"), str):
        yield node["const"]
