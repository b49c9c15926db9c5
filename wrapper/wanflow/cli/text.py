"""Formats texts of the spec for a terminal: no control characters, no markup."""

from __future__ import annotations

import os
import re
import sys
import unicodedata

import click

from wanflow._text import one_line, printable

__all__ = [
    "display_width",
    "first_sentence",
    "one_line",
    "padded",
    "printable",
    "shortened",
    "strike_through",
]

_WIDE = frozenset("WF")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_MARKUP = re.compile(r"[`*]+")


def strike_through(text: str) -> str:
    """Strike a deprecated name through; where that isn't supported, append "(deprecated)"."""
    if sys.stdout.isatty() and _supports_styles():
        return click.style(text, strikethrough=True)
    return f"{text} (deprecated)"


def _supports_styles() -> bool:
    return os.environ.get("TERM", "dumb") != "dumb" and "NO_COLOR" not in os.environ


def display_width(text: str) -> int:
    """Return the columns that a text takes on a terminal: wide letters two, combining ones none."""
    return sum(map(_letter_width, text))


def shortened(text: str, width: int) -> str:
    """Cut a text to so many columns of a terminal; an ellipsis stands for what is cut off."""
    if display_width(text) <= width:
        return text
    if width < 1:
        return ""
    room, end = width - 1, 0
    for end, letter in enumerate(text):  # noqa: B007 - it is used after the loop
        room -= _letter_width(letter)
        if room < 0:
            break
    return f"{text[:end].rstrip()}…"


def padded(text: str, width: int) -> str:
    """Fill a text with blanks to so many columns of a terminal."""
    return text + " " * (width - display_width(text))


def _letter_width(letter: str) -> int:
    if unicodedata.combining(letter) or unicodedata.category(letter) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in _WIDE else 1


def first_sentence(description: str) -> str:
    """Return the first sentence of a description in Markdown, as plain text."""
    paragraph = description.strip().partition("\n")[0]
    return one_line(_MARKUP.sub("", _SENTENCE_END.split(paragraph)[0])).rstrip(".:")


def counted(number: int, thing: str) -> str:
    """Return a number with the name of a thing, in the plural where it isn't 1."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
