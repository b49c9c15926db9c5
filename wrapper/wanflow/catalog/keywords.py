"""The `x-wanflow-…` keywords: rules that JSON Schema has no word for, added by the overlays.

Each is a class as jsonschema-rs takes it: made once with the keyword's value, asked for every
instance; its message continues a sentence that begins with the parameter's name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wanflow.catalog.public_url import public_url_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

_Schema = dict[str, Any]
_Path = list[str | int]

PIXEL_SIZE = "x-wanflow-pixel-size"
PUBLIC_URL = "x-wanflow-public-url"
IMAGE_FILE = "x-wanflow-image-file"
"""An annotation: what the file behind an image URL must be; only fetching it can tell."""
AUDIO_FILE = "x-wanflow-audio-file"
"""An annotation: what the file behind an audio URL must be; only fetching it can tell."""
EFFECTIVE_WHEN = "x-wanflow-effective-when"
"""An annotation: values of other parameters without which this one is taken and ignored."""
CITES = "x-wanflow-rests-on"
"""An annotation: the sentences of the documents that keywords beside it rest on.

An overlay maps each keyword to its sentence; the published document lists `{keyword, sentence}`.
"""

_SIZE = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", re.ASCII)


class PixelSize:
    """Bounds of a string such as `1280x720`: {minimum,maximum}Pixels and {minimum,maximum}Ratio."""

    def __init__(self, _schema: _Schema, value: dict[str, float], _path: _Path) -> None:
        self._pixels = (value["minimumPixels"], value["maximumPixels"])
        self._ratio = (value["minimumRatio"], value["maximumRatio"])

    def validate(self, instance: object) -> None:
        """Raise ValueError for a size out of bounds; `type` is another rule's matter."""
        if not isinstance(instance, str):
            return
        match = _SIZE.fullmatch(instance)
        if match is None:
            raise ValueError("must be WIDTHxHEIGHT in pixels, such as 1280x720")
        width, height = int(match[1]), int(match[2])
        low, high = self._pixels
        if not low <= width * height <= high:
            raise ValueError(
                f"must have {low:.0f} to {high:.0f} pixels in all, not {width * height}"
            )
        narrow, wide = self._ratio
        if not narrow * height <= width <= wide * height:
            raise ValueError(f"must have a ratio of width to height from {narrow:g} to {wide:g}")


class PublicUrl:
    """`true`: an absolute URL whose host is a name, or an address of the public internet."""

    def __init__(self, _schema: _Schema, value: bool, _path: _Path) -> None:
        self._on = value

    def validate(self, instance: object) -> None:
        """Raise ValueError for a URL that names an internal address or none at all."""
        if self._on and isinstance(instance, str) and (reason := public_url_problem(instance)):
            raise ValueError(reason)


KEYWORDS: dict[str, Any] = {PIXEL_SIZE: PixelSize, PUBLIC_URL: PublicUrl}


def sentences_of(schema: Mapping[str, Any]) -> dict[str, str]:
    """Return the sentence that each keyword of a schema rests on, in either form."""
    said: Any = schema.get(CITES, ())
    if hasattr(said, "keys"):
        return dict(said)
    return {one["keyword"]: one["sentence"] for one in said}


def sentence_of(schema: Mapping[str, Any], keyword: str) -> str | None:
    """Return the sentence that a keyword of a schema rests on."""
    return sentences_of(schema).get(keyword)
