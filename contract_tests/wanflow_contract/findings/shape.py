"""The shape of a failure: what stays the same when only values differ."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wanflow_contract.findings.received import documented_words, kind_received

if TYPE_CHECKING:
    from collections.abc import Collection

    from wanflow_contract.checks.check import CheckFailed

_URL = re.compile(r"https?://[^\s'\",\])}]+")
_QUOTED = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"")
_TASK = re.compile(r"task-unified-[\w-]+")
_NUMBER = re.compile(r"(?<![\w<])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w>])", re.IGNORECASE)
_LONGEST = 200


def shape_of(failure: CheckFailed) -> str:
    """Return the shape that a check gives, or its detail without values, and what was received.

    Two faults at one place differ in what is received there: null isn't an unknown word.
    """
    statuses = {str(one.status) for one in failure.exchanges}
    shape = failure.shape or without_values(failure.detail, statuses)
    received = kind_received(failure)
    return f"{shape} ({received})" if received else shape


def without_values(text: str, kept: Collection[str] = ()) -> str:
    """Return a text with documented words kept, and URLs, ids, texts and numbers left out."""
    text = _URL.sub("<url>", text)
    text = _QUOTED.sub(_kept_if_documented, text)
    text = _TASK.sub("<id>", text)
    text = _NUMBER.sub(lambda found: found[0] if found[0] in kept else "<number>", text)
    text = text.encode("utf-8", "backslashreplace").decode()
    return " ".join(text.split())[:_LONGEST]


def _kept_if_documented(found: re.Match[str]) -> str:
    return found[0] if found[0][1:-1] in documented_words() else "<text>"
