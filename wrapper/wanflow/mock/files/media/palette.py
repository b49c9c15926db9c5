"""The colours of a file and the numbers behind its pattern, all drawn from what it shows."""

from __future__ import annotations

from colorsys import hls_to_rgb
from hashlib import sha256
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from wanflow.mock.files.media.subject import Subject

Colour = tuple[int, int, int]

INK: Colour = (255, 255, 255)


@frozen
class Palette:
    """The colours of one file, dark enough behind that white text is read with ease."""

    corners: tuple[Colour, Colour, Colour, Colour]
    glows: tuple[Colour, Colour, Colour]
    band: Colour
    bright: Colour
    soft: Colour


def palette_of(subject: Subject) -> Palette:
    """Choose colours: the first hue is the model's, the second the seed's and the index's."""
    own = hue_of(subject.model)
    other = own + 0.12 + 0.76 * hue_of(subject.seed, subject.index)
    middle = own + 0.06
    return Palette(
        corners=(
            _colour(own, 0.30),
            _colour(middle, 0.22),
            _colour(own, 0.15),
            _colour(other, 0.21),
        ),
        glows=(_colour(other, 0.42), _colour(own, 0.40), _colour(other, 0.30)),
        band=_colour(own, 0.09, 0.5),
        bright=_colour(own, 0.66, 0.85),
        soft=_colour(other, 0.72, 0.75),
    )


def hue_of(*named: object) -> float:
    """Return a hue in 0…1 that is always the same for the same values."""
    return numbers_of(*named)[0] / 255


def numbers_of(*named: object) -> bytes:
    """Return 32 numbers in 0…255 that are always the same for the same values."""
    return sha256(repr(named).encode("utf-8", "surrogatepass")).digest()


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """Blend two colours; `share` (0…1) is the part of the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _colour(hue: float, lightness: float, saturation: float = 0.62) -> Colour:
    red, green, blue = hls_to_rgb(hue % 1, lightness, saturation)
    return round(255 * red), round(255 * green), round(255 * blue)
