"""Image sizes at the limits of a pixel-size rule, and malformed sizes."""

from __future__ import annotations

from math import ceil, floor, gcd, isqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def sizes(rule: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Yield sizes on both sides of each limit: the number of pixels, and the aspect ratio."""
    yield from (_named(*one) for one in _ORDINARY if _is_within(rule, *one))
    low, high = int(rule["minimumPixels"]), int(rule["maximumPixels"])
    for bound in (low, high):
        side = isqrt(bound)
        for more in (-1, 0, 1):
            yield _named(side + more, side)
            yield _named(side, side + more)
    yield _named(isqrt(low) // 2, isqrt(low) // 2)
    yield _named(isqrt(high) * 2, isqrt(high) * 2)
    yield from _ratios(rule, (low + high) // 2)
    yield from (_named(*one) for one in _vertices(rule))
    side = isqrt((low + high) // 2)
    yield from ((f"spelled-{index}", text) for index, text in enumerate(_misspelled(side)))


def _is_within(rule: Mapping[str, float], width: int, height: int) -> bool:
    pixels = rule["minimumPixels"] <= width * height <= rule["maximumPixels"]
    return pixels and rule["minimumRatio"] <= width / height <= rule["maximumRatio"]


_ORDINARY = (
    *((1001, 997), (1024, 1024), (1280, 720), (720, 1280), (1600, 900), (1104, 1472)),
    *((800, 1200), (1440, 810), (1920, 1080), (999, 1000), (2048, 512), (640, 1920)),
)
"""Common sizes, and some whose sides have no large common factor."""


def corners(rule: Mapping[str, float]) -> list[str]:
    """Return valid sizes that are far apart: fewest and most pixels, widest and tallest.

    And one whose sides have no common factor.
    """
    low, high = (isqrt(int(rule[name])) for name in ("minimumPixels", "maximumPixels"))
    vertices = list(_vertices(rule))
    plain = [_named(*one)[1] for one in _ORDINARY if _is_within(rule, *one) and gcd(*one) == 1]
    return [
        *plain[:1],
        f"{low}x{low}",
        f"{high}x{high}",
        *(f"{w}x{h}" for w, h in vertices[:1] + vertices[-1:]),
    ]


def _vertices(rule: Mapping[str, float]) -> Iterator[tuple[int, int]]:
    """Yield valid sizes at a limit of the pixels and of the ratio together."""
    for pixels in (rule["minimumPixels"], rule["maximumPixels"]):
        for ratio in (rule["minimumRatio"], rule["maximumRatio"]):
            width = isqrt(int(pixels * ratio))
            height = round(width / ratio)
            if _is_within(rule, width, height):
                yield width, height


def _ratios(rule: Mapping[str, float], pixels: int) -> Iterator[tuple[str, str]]:
    """Yield sizes at both limits of the aspect ratio, all with an allowed number of pixels."""
    for ratio in (rule["minimumRatio"], rule["maximumRatio"]):
        height = isqrt(int(pixels / ratio)) // 4 * 4
        width = height * ratio
        for wide in (floor(width) - 4, floor(width), ceil(width), ceil(width) + 4):
            yield _named(wide, height)


def _named(width: int, height: int) -> tuple[str, str]:
    return f"{width}x{height}", f"{width}x{height}"


def _misspelled(side: int) -> list[str]:
    return [
        f"{side}*{side}",
        f"{side}X{side}",
        f"{side} x {side}",
        f" {side}x{side}",
        f"{side}x{side}x1",
        f"-{side}x-{side}",
        f"0{side}x{side}",
        f"{side}.0x{side}",
        f"{side}x",
        f"x{side}",
        f"{side}",
        f"{side}px",
        "x",
        "0x0",
        "1x1",
        "1:1",
        "large",
        "",
    ]
