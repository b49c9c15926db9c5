"""Letters that the font at hand draws, and others in Latin: fonts for every script are large."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from unicodedata import normalize

from anyascii import anyascii
from PIL import ImageFont

_SIZE = 20
_MISSING = "\uffff"
_UNKNOWN = "?"


def latin(text: str) -> str:
    """Return a text with each letter that the font has no shape for spelt in Latin ones."""
    return "".join(_drawable(letter) for letter in normalize("NFC", text))


@lru_cache(8192)
def _drawable(letter: str) -> str:
    if letter.isspace() or _shape(letter) != _shape(_MISSING):
        return letter
    spelt = anyascii(letter) if letter.isprintable() else ""
    return spelt if spelt.isprintable() and spelt else _UNKNOWN


@lru_cache(8192)
def _shape(letter: str) -> tuple[object, bytes]:
    mask: Any = ImageFont.load_default(_SIZE).getmask(letter)
    return mask.size, bytes(mask)
