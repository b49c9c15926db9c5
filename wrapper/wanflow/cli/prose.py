"""Text of the documents, made fit for a terminal: no control characters, no markup."""

from __future__ import annotations

import re

from wanflow._core.plain_text import one_line, printable

__all__ = ["first_sentence", "one_line", "printable"]

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_PROMINENT = re.compile(r"[`*]+")


def first_sentence(description: str) -> str:
    """Return the first sentence of a description in Markdown, as plain text."""
    paragraph = description.strip().partition("\n")[0]
    return one_line(_PROMINENT.sub("", _SENTENCE_END.split(paragraph)[0])).rstrip(".:")
