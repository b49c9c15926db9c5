"""The `x-wanflow-…` keywords: constraints that JSON Schema can't express, and annotations.

Each is a custom keyword class of jsonschema-rs: created once with the keyword's value, called for
every instance. Its message continues a sentence that begins with the parameter's name.
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
"""An annotation: the required properties of the image file; checked only when it is read."""
AUDIO_FILE = "x-wanflow-audio-file"
"""An annotation: the required properties of the audio file; checked only when it is read."""
EFFECTIVE_WHEN = "x-wanflow-effective-when"
"""An annotation: values of other parameters without which this one is accepted but ignored."""
EXAMPLES = "x-wanflow-examples"
"""An annotation: the number that each source spec has as its example, where they differ."""
CITES = "x-wanflow-rests-on"
"""An annotation: the sentences of the source spec that the keywords beside it cite.

An overlay maps each keyword to its sentence; the published spec has a list of
`{keyword, sentence}`.
"""

_SIZE = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", re.ASCII)


class PixelSize:
    """Bounds for a size such as `1280x720`: {minimum,maximum}Pixels and {minimum,maximum}Ratio."""

    def __init__(self, _schema: _Schema, value: dict[str, float], _path: _Path) -> None:
        self._pixels = (value["minimumPixels"], value["maximumPixels"])
        self._ratio = (value["minimumRatio"], value["maximumRatio"])

    def validate(self, instance: object) -> None:
        """Raise ValueError for a size out of bounds; other types than text are ignored."""
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
    """`true`: an absolute URL whose host is a public name or a public IP address."""

    def __init__(self, _schema: _Schema, enabled: bool, _path: _Path) -> None:
        self._enabled = enabled

    def validate(self, instance: object) -> None:
        """Raise ValueError for a URL with an internal host or without a valid one."""
        if self._enabled and isinstance(instance, str) and (reason := public_url_problem(instance)):
            raise ValueError(reason)


KEYWORDS: dict[str, Any] = {PIXEL_SIZE: PixelSize, PUBLIC_URL: PublicUrl}


def citations_of(schema: Mapping[str, Any]) -> dict[str, str]:
    """Return the sentence that each keyword of a schema cites, from either form."""
    citations: Any = schema.get(CITES, ())
    if hasattr(citations, "keys"):
        return dict(citations)
    return {one["keyword"]: one["sentence"] for one in citations}


def citation_of(schema: Mapping[str, Any], keyword: str) -> str | None:
    """Return the sentence that a keyword of a schema cites; None if it cites none."""
    return citations_of(schema).get(keyword)
