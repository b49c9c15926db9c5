"""Other people's text, made fit for a terminal, a log or a traceback.

No control character, escape sequence or change of direction is left, and no half of a surrogate
pair, such as those that stand for the bytes of a path that isn't UTF-8.
"""

from __future__ import annotations

import json
import re
from unicodedata import category

_SPACES = re.compile(r"\s+")


def printable(text: str, *, lines: bool = True) -> str:
    """Replace what could steer a terminal, such as escape sequences; lines stay lines, if allowed.

    Such characters become the escapes that JSON has for them, so JSON keeps its meaning.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if _harmless(letter) or (lines and letter == "\n") else json.dumps(letter)[1:-1]
        for letter in text
    )


def is_encodable(text: str) -> bool:
    """Return whether a text has a UTF-8 form: no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def one_line(text: str) -> str:
    """Return a text on one line, fit for a terminal."""
    return printable(_SPACES.sub(" ", text).strip())


def _harmless(letter: str) -> bool:
    return letter.isprintable() or category(letter) == "Zs"
