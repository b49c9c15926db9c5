"""Other people's text, decoded, and made fit for a terminal, a log or a traceback.

No control character, escape sequence or change of direction is left, and no half of a surrogate
pair, such as those that stand for the bytes of a path that isn't UTF-8.
"""

from __future__ import annotations

import codecs
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


def decode_text(content: bytes) -> str:
    """Decode a file: UTF-8, or UTF-16 with a byte order mark, as PowerShell and Excel write it.

    Raises:
        ValueError: it is neither.
    """
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        name = "UTF-16" if is_utf16 else "UTF-8"
        raise ValueError(f"is not valid {name}: {error.reason}; save it as UTF-8") from None
