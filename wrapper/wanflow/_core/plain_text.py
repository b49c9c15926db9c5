"""Other people's text, made fit for a terminal or a log: no control characters, no new lines."""

from __future__ import annotations

import json
import re
from unicodedata import category

_SPACES = re.compile(r"\s+")


def printable(text: str) -> str:
    """Replace what could steer a terminal, such as escape sequences; lines stay lines.

    Such characters become the escapes that JSON has for them, so JSON keeps its meaning.
    """
    return "".join(letter if _harmless(letter) else json.dumps(letter)[1:-1] for letter in text)


def one_line(text: str) -> str:
    """Return a text on one line, fit for a terminal."""
    return printable(_SPACES.sub(" ", text).strip())


def _harmless(letter: str) -> bool:
    return letter == "\n" or letter.isprintable() or category(letter) == "Zs"
