"""From the words of a request (`720p`, `16:9`) to the sides of a frame in pixels."""

from __future__ import annotations

import re

_DEFAULT_SHORTER = 720
_DEFAULT_RATIO = 16 / 9
_SHORTEST, _LONGEST = 64, 4320
_WIDEST = 4.0


def frame_size(quality: str | None, aspect_ratio: str | None) -> tuple[int, int]:
    """Return the (width, height) in pixels of a clip; both are even.

    The number of the quality is the shorter side, the ratio gives the longer one, rounded to the
    nearest even number: `480p` and `16:9` are 854 x 480, `1080p` and `9:16` are
    1080 x 1920. A quality without a number counts as 720p, a ratio that can't be read as 16:9; a
    number outside 64…4320 and a ratio outside 1:4…4:1 count as the nearest inside, so that no word
    costs much memory.
    """
    shorter = _shorter_side(quality or "")
    ratio = _ratio(aspect_ratio or "")
    longer = _even(shorter * max(ratio, 1 / ratio))
    return (longer, shorter) if ratio >= 1 else (shorter, longer)


def _shorter_side(quality: str) -> int:
    found = re.search(r"([0-9]{1,6})p\b", quality, re.IGNORECASE)
    number = int(found[1]) if found else _DEFAULT_SHORTER
    return _even(min(max(number, _SHORTEST), _LONGEST))


def _ratio(aspect_ratio: str) -> float:
    found = re.fullmatch(r"([0-9]{1,4}):([0-9]{1,4})", aspect_ratio)
    width, height = (int(found[1]), int(found[2])) if found else (0, 0)
    if width == 0 or height == 0:
        return _DEFAULT_RATIO
    return min(max(width / height, 1 / _WIDEST), _WIDEST)


def _even(length: float) -> int:
    return 2 * round(length / 2)
