"""Text in a box: wrapped by measure, in the largest size that fits."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from anyascii import anyascii
from attrs import frozen
from PIL import ImageFont

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL.ImageDraw import ImageDraw

    from wanflow.mock.files.media.palette import Colour

_SIZE = 20
_MISSING = "\uffff"
_UNKNOWN = "?"


def transliterate(text: str) -> str:
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


_ELLIPSIS = "…"
_READ = 2500
_LEADING = 1.28
_SHRINK = 0.88
_SMALLEST = 6

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@frozen
class Block:
    """Lines of text in one font; `pitch` is the distance of two baselines in pixels."""

    font: Font
    lines: tuple[str, ...]
    pitch: int

    @property
    def height(self) -> int:
        """The height of all lines in pixels."""
        return self.pitch * len(self.lines)

    @property
    def width(self) -> int:
        """The width of the longest line in pixels."""
        return max((round(self.font.getlength(line)) for line in self.lines), default=0)

    def draw(self, canvas: ImageDraw, left: int, top: int, colour: Colour) -> None:
        """Draw the lines, flush left, below and to the right of a point."""
        for number, line in enumerate(self.lines):
            canvas.text((left, top + number * self.pitch), line, fill=colour, font=self.font)


def fitted(text: str, width: int, height: int, largest: int) -> Block:
    """Wrap a text in the largest size (pixels, `largest` at most) in which it fits a box.

    Where even the smallest size is too large, the text is cut and ends in an ellipsis.
    """
    text = _paragraph(text)
    size = max(largest, _SMALLEST)
    while True:
        block = _wrapped(text, width, size)
        if block.height <= height or size == _SMALLEST:
            return _cut(block, height)
        size = max(_SMALLEST, int(size * _SHRINK))


def one_line(text: str, width: int, size: int) -> Block:
    """Set a text in a single line of a size, smaller or cut where it is too wide."""
    return fitted(text, width, round(size * _LEADING), size)


def _paragraph(text: str) -> str:
    """Return a text as one paragraph of letters that the font has."""
    return " ".join(transliterate(text[:_READ])[:_READ].split())


def _wrapped(text: str, width: int, size: int) -> Block:
    font = ImageFont.load_default(size)
    lines = tuple(_lines(text, width, font.getlength))
    return Block(font, lines, round(size * _LEADING))


def _lines(text: str, width: int, length: Callable[[str], float]) -> Iterator[str]:
    widths = {letter: length(letter) for letter in {*text, " "}}
    line, taken = "", 0.0
    for word in text.split():
        for piece in _pieces(word, width, widths):
            needed = sum(widths[letter] for letter in piece)
            if line and taken + widths[" "] + needed > width:
                yield line
                line, taken = "", 0.0
            taken += needed + (widths[" "] if line else 0)
            line = f"{line} {piece}" if line else piece
    if line:
        yield line


def _pieces(word: str, width: int, widths: dict[str, float]) -> Iterator[str]:
    piece, taken = "", 0.0
    for letter in word:
        if piece and taken + widths[letter] > width:
            yield piece
            piece, taken = "", 0.0
        piece += letter
        taken += widths[letter]
    yield piece


def _cut(block: Block, height: int) -> Block:
    shown = max(1, height // block.pitch)
    if len(block.lines) <= shown:
        return block
    last = block.lines[shown - 1][:-1] + _ELLIPSIS
    return Block(block.font, (*block.lines[: shown - 1], last), block.pitch)
