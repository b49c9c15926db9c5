"""Formats texts of the spec for a terminal: no control characters, no markup."""

from __future__ import annotations

import os
import re
import sys

import click

from wanflow._text import one_line, printable

__all__ = ["first_sentence", "one_line", "printable", "strike_through"]

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_MARKUP = re.compile(r"[`*]+")


def strike_through(text: str) -> str:
    """Strike a deprecated name through; where that isn't supported, append "(deprecated)"."""
    if sys.stdout.isatty() and _supports_styles():
        return click.style(text, strikethrough=True)
    return f"{text} (deprecated)"


def _supports_styles() -> bool:
    return os.environ.get("TERM", "dumb") != "dumb" and "NO_COLOR" not in os.environ


def first_sentence(description: str) -> str:
    """Return the first sentence of a description in Markdown, as plain text."""
    paragraph = description.strip().partition("\n")[0]
    return one_line(_MARKUP.sub("", _SENTENCE_END.split(paragraph)[0])).rstrip(".:")
